"""A SUNDAE training step with U = 2 over two plain cross-entropy steps with the same optimizer: time and peak memory.

Width 256, depth 2-6-2, 16x16 grid, V = 1024, batch 8:

    python benchmarks/train_step.py
"""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Callable

import torch
from timing import best_seconds
from torch.nn.functional import cross_entropy

from lightgen.functional.random import Noise
from lightgen.networks.hourglass import Hourglass
from lightgen.processes.sundae import SUNDAE

BATCH = 8


def steps() -> dict[str, Callable[[], None]]:
    """One optimizer step of each kind, on one network."""
    torch.manual_seed(0)
    network = Hourglass(1024, 1024, (16, 16), dim=256, depth=(2, 6, 2))
    optimizer = torch.optim.AdamW(network.parameters())
    ids, process, noise = torch.randint(1024, (BATCH, 256)), SUNDAE(1024, num_unrolls=2), Noise.of(0, BATCH)

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
        process.loss(network, ids, noise).loss.backward()
        update()

    return {"one plain pass": one_pass, "two plain passes": two_passes, "SUNDAE, U = 2": unrolled}


def peak_mib(name: str) -> float:
    """Peak memory of a process that does nothing but a few such steps, less what it needs before the first."""
    step = steps()[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        step()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def main() -> None:
    made = steps()
    seconds = dict(zip(made, best_seconds(*made.values()), strict=True))
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {name: pool.apply(peak_mib, (name,)) for name in made}
    print("step                    ms   peak MiB")
    for name in made:
        print(f"{name:18s} {seconds[name] * 1e3:7.1f} {memory[name]:10.0f}")
    print(f"time, U = 2 over two plain passes: {seconds['SUNDAE, U = 2'] / seconds['two plain passes']:.3f}")
    print(f"peak memory, U = 2 over one plain pass: {memory['SUNDAE, U = 2'] / memory['one plain pass']:.3f}")


if __name__ == "__main__":
    main()
