"""Wall time of every parallel sampler over its floor: network evaluations x one bare forward pass of the same batch.

Width 256, depth 2-6-2, 16x16 grid, V = 1024, 8 steps, at batch 1 and 8; the last row is guidance, whose floor is the
forward pass of the doubled batch:

    python benchmarks/speed/sampler_overhead.py
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from timing import best_seconds
from torch import Tensor

from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.networks.hourglass import Hourglass
from lightgen.processes.absorbing import Absorbing
from lightgen.processes.base import Process
from lightgen.processes.mask_replace import MaskReplace
from lightgen.processes.sundae import SUNDAE
from lightgen.processes.uniform import Uniform
from lightgen.registry import components
from lightgen.samplers.base import Sampler

VOCAB, GRID, STEPS = 1024, (16, 16), 8
BATCHES = (1, 8)
PROCESSES = (SUNDAE, Absorbing, Uniform, MaskReplace)


@torch.no_grad()
def main() -> None:
    print("| sampler | noise | " + " | ".join(f"batch {batch}" for batch in BATCHES) + " |")
    print("|---|---|" + "---|" * len(BATCHES))
    for sampler, process in cases():
        ratios = [overhead(sampler, process, batch) for batch in BATCHES]
        noise = f"{type(process).__name__} ({process.family.value})"
        print(f"| {type(sampler).__name__} | {noise} | " + " | ".join(f"{r:.3f}" for r in ratios) + " |", flush=True)
    guided = [overhead(cases_of(SUNDAE(VOCAB))[0], SUNDAE(VOCAB), batch, guided=True) for batch in BATCHES]
    print("| SUNDAE, guided | SUNDAE (uniform) | " + " | ".join(f"{r:.3f}" for r in guided) + " |")


def cases() -> Iterator[tuple[Sampler, Process]]:
    """Every sampler on every process that it fits."""
    for kind in PROCESSES:
        process = kind(VOCAB)
        for sampler in cases_of(process):
            yield sampler, process


def cases_of(process: Process) -> list[Sampler]:
    """Every sampler that fits a process, asks one network only and can be told the steps: its defaults, but 8 steps."""
    kinds = [kind for kind in components("sampler") if issubclass(kind, Sampler) and not kind.needs]
    sized = [kind for kind in kinds if process.family in kind.accepts and not kind.adaptive]
    return [kind(steps=STEPS) for kind in sized]  # type: ignore[call-arg]


def overhead(sampler: Sampler, process: Process, batch: int, guided: bool = False) -> float:
    """Wall time of sampling over that of as many forward passes as it takes."""
    layout, conditioner = Layout(GRID, VOCAB), ClassLabel(10) if guided else None
    network = Hourglass(process.interface(layout, conditioner), dim=256, depth=(2, 6, 2)).eval()
    noise = Noise.of(0, batch)
    ids, time = process.initial(GRID[0] * GRID[1], noise), torch.ones(batch)
    condition = Condition({"label": torch.zeros(batch, dtype=torch.long)} if guided else {})
    guidance = ConstantGuidance(3.0) if guided else None
    stepping: Any = process
    denoiser = Denoiser(network, layout, condition, guidance=guidance, process=stepping)
    sample = partial(sampler, denoiser, ids, None, noise)
    evaluations = int(sample().trace.evaluations.sum()) // batch
    floor_ids, floor_time = (ids.repeat(2, 1), time.repeat(2)) if guided else (ids, time)
    calls = evaluations // 2 if guided else evaluations
    floor_call = partial(bare, network, floor_ids, floor_time, calls)
    # The smaller the batch, the more a ratio is at the mercy of the machine.
    floor, total = best_seconds(floor_call, sample, rounds=max(5, 40 // batch))
    return total / floor


def bare(network: Hourglass, ids: Tensor, time: Tensor, count: int) -> None:
    """So many forward passes."""
    for _ in range(count):
        network(ids, time)


if __name__ == "__main__":
    main()
