"""What a condition costs: a network's step with a class, a text, a picture and so on, over one without.

Priors of about 3 M parameters on 8x8 tokens, V = 1024, at batch 8 and 64; the step of a causal network is that of one
token in the middle. "Without, again" shows the noise, "none given" a prior that knows neighbours and is told none. A
condition is read, and its keys and values are made, once a batch; the last column has that for all as a share of 16
steps, or of the 64 of a causal network. A step of training goes forward and back, and reads it again.

In one run, medians of rounds in shuffled order, of the time that the one thread computes, to which other programs on
the machine add little:

    python benchmarks/speed/condition_step.py
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import torch

from lightgen.condition import KNOWN, Condition
from lightgen.conditioners import ClassLabel, KnownCells, LowResolution, Mixed, Neighbours, Picture, Text
from lightgen.functional.text import to_bytes
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.networks.base import Interface, Network

VOCAB, GRID, COARSE_GRID, NEIGHBOURS, STEPS, ROUNDS = 1024, (8, 8), (4, 4), 2, 16, 15
AGAIN, UNTOLD = "without, again", "none given"
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
    "a picture": Picture,
    "two neighbours": partial(Neighbours, NEIGHBOURS),
}


@torch.no_grad()
def main() -> None:
    columns = ["network", "batch", "ms a step without", AGAIN, *CONDITIONS, UNTOLD, "all", "once a batch, of all steps"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    torch.set_num_threads(1)
    told = [[], [], *([one] for one in CONDITIONS.values()), [*CONDITIONS.values()]]
    for name, make in CASES.items():
        networks = [made(make, conditioners) for conditioners in told]
        for batch in (8, 64):
            everything = asked(batch)
            calls = [evaluation(network, batch, everything) for network in networks]
            calls.insert(-1, evaluation(networks[-2], batch, Condition()))
            begin = partial(networks[-1].context, everything, batch)
            rounds = [timed([*calls, begin], 64 // batch, seed) for seed in range(ROUNDS + 1)][1:]
            off, *_, on, once = (median(times) for times in zip(*rounds, strict=True))
            added = [over(rounds, i) for i in range(1, len(calls))]
            share = once / on / (GRID[0] * GRID[1] if networks[0].causal else STEPS)
            print(f"| {name} | {batch} | {off * 1e3:.2f} | {' | '.join(added)} | {share:.1%} |", flush=True)
        calls = [training(network, batch, everything) for network in networks]
        calls.insert(-1, training(networks[-2], batch, Condition()))
        rounds = [timed(calls, 1, seed) for seed in range(ROUNDS + 1)][1:]
        print(f"| {name} | {batch}, training | {median(row[0] for row in rounds) * 1e3:.2f} | "
              f"{' | '.join(over(rounds, i) for i in range(1, len(calls)))} | |", flush=True)  # fmt: skip


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
        "picture": torch.randint(VOCAB, (batch, cells)),
        "neighbours": torch.randint(VOCAB, (batch, NEIGHBOURS, cells)),
    }
    return Condition(tensors)


def evaluation(network: Any, batch: int, told: Condition) -> Callable[[], object]:
    """A step of a network that knows the context already; one token in the middle of a causal one."""
    context, ids = network.context(told, batch), torch.randint(VOCAB, (batch, GRID[0] * GRID[1]))
    if not network.causal:
        return partial(network, ids, None, context)
    reader = network.reader(batch, context)
    for step in range(32):
        reader(ids, step)
    return partial(reader, ids, 32)


def training(network: Any, batch: int, told: Condition) -> Callable[[], object]:
    """Forward and back."""
    ids = torch.randint(VOCAB, (batch, GRID[0] * GRID[1]))

    @torch.enable_grad()
    def step() -> None:
        network.zero_grad()
        network(ids, None, network.context(told, batch)).square().mean().backward()

    return step


def over(rounds: Sequence[Sequence[float]], call: int) -> str:
    """What a call takes more than the first one."""
    return f"{median(row[call] / row[0] for row in rounds) - 1:+.1%}"


def timed(calls: Sequence[Callable[[], object]], repeats: int, seed: int) -> list[float]:
    """What each takes, in an order of its own each round, for some leave the next one to ask for memory again."""
    found = [0.0] * len(calls)
    for place in random.Random(seed).sample(range(len(calls)), len(calls)):
        found[place] = seconds(calls[place], repeats)
    return found


def seconds(call: Callable[[], object], repeats: int) -> float:
    """What a call takes of this thread's time, the mean of so many in a row."""
    start = time.thread_time()
    for _ in range(repeats):
        call()
    return (time.thread_time() - start) / repeats


if __name__ == "__main__":
    main()
