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
        cell = _stretched(index, 2, h) * w + _stretched(index, 3, w)
        if rank[cell] < 0:
            rank[cell] = found
            found += 1
    return rank


def _stretched(index: int, base: int, size: int) -> int:
    """The whole part of `size` times a number's radical inverse: its digits in a base, mirrored at the point.

    In whole numbers, as in base 3 a float may lie just below the border between two cells.
    """
    mirrored, scale = 0, 1
    while index:
        index, digit = divmod(index, base)
        mirrored, scale = mirrored * base + digit, scale * base
    return mirrored * size // scale
