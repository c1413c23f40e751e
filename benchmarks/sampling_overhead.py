"""Wall time of SUNDAE sampling over its floor: steps x one bare forward pass of the same batch.

Width 256, depth 2-6-2, 16x16 grid, V = 1024, 5 steps, at batch 1, 8 and 32:

    python benchmarks/sampling_overhead.py
"""

from __future__ import annotations

from functools import partial

import torch
from timing import best_seconds
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.networks.hourglass import Hourglass
from lightgen.processes.sundae import SUNDAE as Process
from lightgen.samplers.sundae import SUNDAE

STEPS = 5


@torch.no_grad()
def main() -> None:
    network = Hourglass(1024, 1024, (16, 16), dim=256, depth=(2, 6, 2)).eval()
    sampler = SUNDAE(STEPS, patience=1, min_steps=0)
    print("batch   forward ms   step ms   ratio")
    for batch in (1, 8, 32):
        noise = Noise.of(0, batch)
        ids = Process(1024).initial(256, noise)
        sample = partial(sampler, Denoiser(network), ids, None, noise)
        floor, total = best_seconds(partial(bare, network, ids), sample, rounds=20)
        # An untrained network never comes to rest, so that all steps are taken.
        assert sample().trace.rows == [batch] * STEPS
        print(f"{batch:5d} {floor / STEPS * 1e3:12.1f} {total / STEPS * 1e3:9.1f} {total / floor:7.3f}")


def bare(network: Hourglass, ids: Tensor) -> None:
    """As many forward passes as there are steps."""
    for _ in range(STEPS):
        network(ids)


if __name__ == "__main__":
    main()
