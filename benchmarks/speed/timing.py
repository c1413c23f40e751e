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
    repeats = [max(1, round(at_least / seconds(call))) for call in calls]
    best = [float("inf")] * len(calls)
    for _ in range(rounds):
        for i, call in enumerate(calls):
            best[i] = min(best[i], seconds(call, repeats[i]))
    return best


def matmul(
    size: int = 2048, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> tuple[Call, int]:
    """A matrix product of size^3, the machine's yardstick, and its FLOP."""
    # Random numbers: on products of ones a GPU draws less power and keeps a higher clock than on real work.
    a, b = torch.randn(2, size, size, dtype=dtype, device=device)
    return lambda: a @ b, 2 * size**3


def flops(call: Call) -> int:
    """FLOP of the matrix products, convolutions and attentions in a call."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def seconds(call: Call, repeats: int = 1) -> float:
    """The time of a call, the mean of so many in a row, until the device is through with them."""
    _wait()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    _wait()
    return (time.perf_counter() - start) / repeats


def _wait() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
