"""What the speed benchmarks share: the times of calls, taken in turns, and the work that is in them."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

Call = Callable[[], object]


def best_seconds(*calls: Call, rounds: int = 4, at_least: float = 0.05) -> list[float]:
    """The shortest time of each call.

    The calls take turns, so that a machine that slows down for a while slows all of them; short calls are repeated.
    """
    repeats = [max(1, round(at_least / _seconds(call, 1))) for call in calls]
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            best[i] = min(best[i], _seconds(call, repeats[i]))
    return best


def matmul(size: int = 2048) -> tuple[Call, int]:
    """A float32 matrix product of size^3, the machine's yardstick, and its FLOP."""
    a, b = torch.ones(size, size), torch.ones(size, size)
    return lambda: a @ b, 2 * size**3


def flops(call: Call) -> int:
    """FLOP of the matrix products, convolutions and attentions in a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def _seconds(call: Call, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats
