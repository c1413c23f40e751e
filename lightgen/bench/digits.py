"""Numbers as people read them: as many decimals in the whole of a column."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median_low

from lightgen.bench.results import Interval


def decimals(column: Iterable[Interval]) -> int:
    """How many decimals a column is worth: two digits of its median half width, because further ones say nothing.

    Where no width is known, four digits of the largest mean.
    """
    intervals = list(column)
    if halves := [i.half for i in intervals if 0 < i.half < math.inf]:
        return max(0, 1 - math.floor(math.log10(median_low(halves))))
    largest = max((abs(i.mean) for i in intervals), default=0.0)
    return max(0, 3 - math.floor(math.log10(largest))) if largest else 0


def number(value: float, digits: int) -> str:
    """A value with so many decimals; what rounds to zero has no sign."""
    return f"{value:z.{digits}f}"


def written(interval: Interval, digits: int) -> str:
    """Mean ± half width; the mean alone where the width is unknown."""
    mean = number(interval.mean, digits)
    return f"{mean} ± {number(interval.half, digits)}" if math.isfinite(interval.half) else mean


def duration(seconds: float) -> str:
    """E.g. `62.6 ms` or `1.36 s`."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"
