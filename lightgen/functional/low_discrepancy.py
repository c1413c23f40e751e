"""The Halton sequence, whose points fill a grid evenly from the first on."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from lightgen.types import Grid


@lru_cache
def halton_rank(grid: Grid) -> Tensor:
    """(N,) the place of each position, in raster order, in the 2-D Halton sequence of bases 2 and 3 (int64).

    The sequence's points are dropped onto the grid; a cell counts when it is hit first. Halton, 1960, "On the
    efficiency of certain quasi-random sequences of points".

    >>> halton_rank((2, 4)).view(2, 4)
    tensor([[5, 3, 1, 7],
            [2, 0, 6, 4]])
    """
    h, w = grid
    rank = torch.full((h * w,), -1)
    found, index = 0, 0
    while found < h * w:
        index += 1
        cell = int(radical_inverse(index, 2) * h) * w + int(radical_inverse(index, 3) * w)
        if rank[cell] < 0:
            rank[cell] = found
            found += 1
    return rank


def radical_inverse(index: int, base: int) -> float:
    """The digits of a number in a base, mirrored at the point: a fraction in [0, 1).

    >>> [radical_inverse(index, 2) for index in range(5)]
    [0.0, 0.5, 0.25, 0.75, 0.125]
    """
    value, scale = 0.0, 1.0
    while index:
        scale /= base
        index, digit = divmod(index, base)
        value += digit * scale
    return value
