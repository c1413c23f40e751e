"""Does it help to resample the token grid in two dimensions? Held-out denoising loss on the ids of emoji.

Equal networks but for the map from fine to coarse tokens; equal parameters, batches, corruption and seeds. Needs a
tokenizer of as many tokens as the paper has, e.g. that of emoji64-16x16-tokenizer.yaml:

    python benchmarks/studies/resampling.py runs/emoji64-16x16-tokenizer/last.ckpt
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lightgen.checkpoint import load_tokenizer
from lightgen.data.emoji import Emoji
from lightgen.data.encode import encode
from lightgen.data.token_dataset import plain
from lightgen.functional.random import Noise
from lightgen.networks.hourglass import Hourglass
from lightgen.networks.resamplers.attention import AttentionResampler
from lightgen.networks.resamplers.base import Resampler
from lightgen.networks.resamplers.linear import LinearResampler
from lightgen.networks.resamplers.naive import NaiveResampler
from lightgen.processes.base import DENOISER
from lightgen.processes.sundae import SUNDAE

PAIRS: dict[str, tuple[Resampler, Resampler]] = {
    "naive": (NaiveResampler(1), NaiveResampler(2)),
    "linear": (LinearResampler(1), LinearResampler(2)),
    "attention": (AttentionResampler(1), AttentionResampler(2)),
}
BATCH, PEAK, TIMES = 16, 1e-3, (0.2, 0.4, 0.6, 0.8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    tokenizer = load_tokenizer(arguments.tokenizer)
    cache = encode(Path(arguments.tokenizer).parent / "token-cache", tokenizer, Emoji())
    splits = (cache.dataset("train"), cache.dataset("val"))
    train, held_out = (s.__getitems__(plain(torch.arange(len(s))))["ids"].flatten(1) for s in splits)
    process = SUNDAE(tokenizer.layout.vocab_size, 1)
    print(f"{arguments.steps} steps of {BATCH}; held-out loss in nats per token, mean over corruption of {TIMES}")
    print("resampler   parameters      1-D      2-D   2-D minus 1-D, by seed")
    for name, pair in PAIRS.items():
        found: list[list[float]] = [[], []]
        for seed in range(arguments.seeds):
            for losses, resampler in zip(found, pair, strict=True):
                torch.manual_seed(seed)
                read = process.interface(tokenizer.layout, None)
                network = Hourglass(read, dim=128, depth=(1, 4, 1), heads=2, resampler=resampler)
                fit(network, process, train, arguments.steps, seed)
                losses.append(evaluate(network, process, held_out))
        one, two = (sum(losses) / len(losses) for losses in found)
        gaps = "  ".join(f"{b - a:+.4f}" for a, b in zip(*found, strict=True))
        size = sum(p.numel() for p in network.parameters())
        print(f"{name:10s} {size:11d} {one:8.4f} {two:8.4f}   {gaps}", flush=True)


def fit(network: Hourglass, process: SUNDAE, ids: Tensor, steps: int, seed: int) -> None:
    """Train by plain denoising, learning rate along half a cosine."""
    optimizer = torch.optim.AdamW(network.parameters(), betas=(0.9, 0.95), weight_decay=0.05)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = PEAK * min(1, (step + 1) / 20) * (1 + math.cos(math.pi * step / steps)) / 2
        batch = ids[torch.randint(len(ids), (BATCH,), generator=generator)]
        process.loss({DENOISER: network}, batch, Noise.of(seed, BATCH).fold(step)).loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def evaluate(network: Hourglass, process: SUNDAE, ids: Tensor) -> float:
    """Mean cross-entropy of the clean ids at fixed corruption rates."""
    total = 0.0
    for number, time in enumerate(TIMES):
        noise = Noise.of(number, len(ids))
        noisy = process.corrupt(ids, torch.full((len(ids),), time), noise)
        for dirty, clean in zip(noisy.split(64), ids.split(64), strict=True):
            total += float(cross_entropy(network(dirty).flatten(0, 1), clean.flatten(), reduction="sum"))
    return total / len(TIMES) / ids.numel()


if __name__ == "__main__":
    main()
