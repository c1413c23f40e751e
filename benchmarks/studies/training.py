"""How several studies train: by `lightgen fit`, going on where a run stopped, or a tiny prior on ids."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import torch
from torch import Tensor

from lightgen.cli import fit
from lightgen.cli.demo import is_done
from lightgen.condition import Condition
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.modules.prior import Conditioned
from lightgen.networks import Transformer
from lightgen.processes import MaskGIT

BATCH, PEAK = 32, 2e-3


def run(args: list[str], folder: Path) -> Path:
    """Train by the arguments of `lightgen`, or what is left of it; the path of the checkpoint.

    Raises:
        KeyboardInterrupt: if it was interrupted.
    """
    last = folder / "last.ckpt"
    if is_done(last):
        return last
    if last.is_file():
        args = [*args, "--ckpt_path", str(last)]
    print(f"lightgen {shlex.join(args)}", flush=True)
    if fit.main(args):
        raise KeyboardInterrupt
    return last


def learn(
    process: MaskGIT, layout: Layout, ids: Tensor, conditioner: Conditioner | None, told: Condition, *,
    dim: int, steps: int, seed: int = 0, every: int = 100, what: str = "",
) -> Transformer:  # fmt: skip
    """A network trained on ids (n, N), of which it is told a condition of n rows where there is a conditioner."""
    torch.manual_seed(seed)
    network = Transformer(process.interface(layout, conditioner), dim=dim, depth=3, heads=2)
    optimizer = torch.optim.AdamW(network.parameters(), PEAK, (0.9, 0.95), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, steps, pct_start=0.1)
    for step in range(steps):
        noise = Noise.of(seed, BATCH).fold(step)
        rows = noise.integers(0, 0, 1, len(ids)).squeeze(1)
        hidden = Condition() if conditioner is None else conditioner.hide(told.select(rows), noise)
        loss = process.loss({"denoiser": Conditioned(network, hidden)}, ids[rows], noise).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % every == 0:
            print(f"{what}step {step}: loss {loss.item():.3f}", file=sys.stderr, flush=True)
    return network.eval()
