"""What a condition costs: a network's step with a class, a text, coarser ids or known cells, over one without.

Priors of about 3 M parameters on 8x8 tokens, V = 1024, at batch 8 and 64; the step of a causal network is that of one
token in the middle. A condition is read, and its keys and values are made, once a batch; the last column has that for
all four as a share of 16 steps, or of the 64 of a causal network. In one run, medians of alternating rounds, of the time
that the one thread computes, to which other programs on the machine add little:

    python benchmarks/speed/condition_step.py
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import torch

from lightgen.condition import KNOWN, Condition
from lightgen.conditioners import ClassLabel, KnownCells, LowResolution, Mixed, Text
from lightgen.functional.text import to_bytes
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.networks.base import Interface, Network

VOCAB, GRID, COARSE_GRID, STEPS, ROUNDS = 1024, (8, 8), (4, 4), 16, 5
CAPTIONS = ["woman in manual wheelchair", "red heart"]
CASES: dict[str, Callable[..., Any]] = {
    "Hourglass, 2-2-2 of 160": partial(Hourglass, dim=160, depth=(2, 2, 2), heads=4, dim_head=40),
    "Transformer, 6 of 176": partial(Transformer, dim=176, depth=6, heads=4, dim_head=44),
    "CausalTransformer, 6 of 176": partial(CausalTransformer, dim=176, depth=6, heads=4, dim_head=44),
}
CONDITIONS: dict[str, Callable[[], Any]] = {
    "a class": partial(ClassLabel, 10),
    "a text": Text,
    "coarser ids": partial(LowResolution, Layout(COARSE_GRID, VOCAB), "another"),
    "known cells": KnownCells,
}


@torch.no_grad()
def main() -> None:
    print(f"| network | batch | ms a step without | {' | '.join(CONDITIONS)} | all | once a batch, of all steps |")
    print(f"|{'---|' * (len(CONDITIONS) + 5)}")
    torch.set_num_threads(1)
    told = [[], *([one] for one in CONDITIONS.values()), [*CONDITIONS.values()]]
    for name, make in CASES.items():
        networks = [made(make, conditioners) for conditioners in told]
        for batch in (8, 64):
            calls = [evaluation(network, batch) for network in networks]
            begin = partial(networks[-1].context, asked(batch), batch)
            rounds = [[seconds(call, 64 // batch) for call in (*calls, begin)] for _ in range(ROUNDS + 1)][1:]
            off, *_, on, once = (median(times) for times in zip(*rounds, strict=True))
            added = [f"{median(row[i] / row[0] for row in rounds) - 1:+.1%}" for i in range(1, len(calls))]
            share = once / on / (GRID[0] * GRID[1] if networks[0].causal else STEPS)
            print(f"| {name} | {batch} | {off * 1e3:.2f} | {' | '.join(added)} | {share:.1%} |", flush=True)


def made(make: Callable[..., Any], conditioners: Sequence[Callable[[], Any]]) -> Network:
    torch.manual_seed(0)
    conditioner = Mixed([one() for one in conditioners]) if conditioners else None
    if conditioner is not None:
        conditioner.learn(CAPTIONS)
    network: Network = make(Interface(Layout(GRID, VOCAB), VOCAB + 1, conditioner=conditioner))
    return network.eval()


def asked(batch: int) -> Condition:
    """All that there is to be told."""
    cells, coarse = GRID[0] * GRID[1], COARSE_GRID[0] * COARSE_GRID[1]
    tensors = {
        "label": torch.zeros(batch, dtype=torch.long),
        "caption": torch.from_numpy(to_bytes(CAPTIONS * (batch // 2))),
        "coarse": torch.randint(VOCAB, (batch, coarse)),
        KNOWN: torch.arange(cells).expand(batch, -1) < cells // 2,
    }
    return Condition(tensors)


def evaluation(network: Any, batch: int) -> Callable[[], object]:
    """A step of a network that knows the context already; one token in the middle of a causal one."""
    context, ids = network.context(asked(batch), batch), torch.randint(VOCAB, (batch, GRID[0] * GRID[1]))
    if not network.causal:
        return partial(network, ids, None, context)
    reader = network.reader(batch, context)
    for step in range(32):
        reader(ids, step)
    return partial(reader, ids, 32)


def seconds(call: Callable[[], object], repeats: int) -> float:
    """What a call takes of this thread's time, the mean of so many in a row."""
    start = time.thread_time()
    for _ in range(repeats):
        call()
    return (time.thread_time() - start) / repeats


if __name__ == "__main__":
    main()
