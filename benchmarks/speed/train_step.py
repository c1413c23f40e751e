"""A SUNDAE training step with U = 2 over two plain cross-entropy steps with the same optimizer: time and peak memory.

Width 256, depth 2-6-2, 16x16 grid, V = 1024, batch 8 and 32. Before them, a step of the priors of the zoo by text, 7
blocks of width 160 on an 8x8 grid at a batch of 64, as `--trainer.precision bf16-mixed` makes it on this CPU, and in
float32:

    python benchmarks/speed/train_step.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import accumulate

import torch
from timing import best_seconds
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile

from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.networks.base import Interface
from lightgen.networks.hourglass import Hourglass
from lightgen.networks.transformer import Transformer
from lightgen.processes.base import DENOISER
from lightgen.processes.sundae import SUNDAE

BATCHES = (8, 32)


def steps(batch: int) -> dict[str, Callable[[], None]]:
    """One optimizer step of each kind, on one network."""
    torch.manual_seed(0)
    process = SUNDAE(1024, num_unrolls=2)
    network = Hourglass(process.interface(Layout((16, 16), 1024), None), dim=256, depth=(2, 6, 2))
    optimizer = torch.optim.AdamW(network.parameters())
    ids, noise = torch.randint(1024, (batch, 256)), Noise.of(0, batch)

    def update() -> None:
        optimizer.step()
        optimizer.zero_grad()

    def plain() -> None:
        cross_entropy(network(ids).flatten(0, 1), ids.flatten()).backward()

    def one_pass() -> None:
        plain()
        update()

    def two_passes() -> None:
        plain()
        plain()
        update()

    def unrolled() -> None:
        process.loss({DENOISER: network}, ids, noise).loss.backward()
        update()

    return {"one plain pass": one_pass, "two plain passes": two_passes, "SUNDAE, U = 2": unrolled}


def precisions() -> dict[str, Callable[[], None]]:
    """One optimizer step of a prior in each precision."""
    torch.manual_seed(0)
    network = Transformer(Interface(Layout((8, 8), 1024), 1025), dim=160, depth=7, heads=4, dim_head=40)
    optimizer = torch.optim.AdamW(network.parameters())
    ids = torch.randint(1024, (64, 64))

    def step(lower: bool) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=lower):
            logits = network(ids)
        cross_entropy(logits.float().flatten(0, 1), ids.flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()

    return {"32-true": partial(step, False), "bf16-mixed": partial(step, True)}


def peak_mib(step: Callable[[], None]) -> float:
    """Most memory in tensors during a step beyond that before it."""
    step()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step()
    events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns()))
    return max(live) / 2**20


def main() -> None:
    made = precisions()
    for name, time in zip(made, best_seconds(*made.values()), strict=True):
        print(f"a step in {name:10s} {time * 1e3:7.1f} ms")
    print("batch   step                    ms   peak MiB")
    for batch in BATCHES:
        made = steps(batch)
        seconds = dict(zip(made, best_seconds(*made.values()), strict=True))
        memory = {name: peak_mib(step) for name, step in made.items()}
        for name in made:
            print(f"{batch:5d}   {name:18s} {seconds[name] * 1e3:7.1f} {memory[name]:10.0f}")
        time = seconds["SUNDAE, U = 2"] / seconds["two plain passes"]
        peak = memory["SUNDAE, U = 2"] / memory["one plain pass"]
        print(f"{batch:5d}   U = 2: time over two plain passes {time:.3f}, peak memory over one plain pass {peak:.3f}")


if __name__ == "__main__":
    main()
