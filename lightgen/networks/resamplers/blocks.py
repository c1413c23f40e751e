"""The block map: which k positions of the fine grid belong to one coarse cell."""

from __future__ import annotations

from typing import Literal

from einops import rearrange
from torch import Tensor

from lightgen.networks.resamplers.base import Factor
from lightgen.types import Grid

Axes = Literal[1, 2]
"""1: runs of k tokens in raster order, as in the original hourglass. 2: blocks of rows and columns."""


def coarse_grid(grid: Grid, factor: Factor, axes: Axes) -> Grid:
    """The coarse grid: (h / a, w / b) for blocks, (h, w / (a b)) for runs.

    Raises:
        ValueError: if the factor does not divide the grid.
    """
    (h, w), (a, b) = grid, _shape(factor, axes)
    if h % a or w % b:
        raise ValueError(
            f"a token grid of {h}x{w} cannot be divided into {'blocks' if axes == 2 else 'runs'} of {a}x{b}"
        )
    return h // a, w // b


def group(fine_BND: Tensor, grid: Grid, factor: Factor, axes: Axes) -> Tensor:
    """(B, N, D) in raster order to (B, N / k, k, D): the members of each coarse cell, in raster order."""
    a, b = _shape(factor, axes)
    return rearrange(fine_BND, "B (h a w b) D -> B (h w) (a b) D", h=grid[0] // a, a=a, b=b)


def ungroup(grouped_BMkD: Tensor, grid: Grid, factor: Factor, axes: Axes) -> Tensor:
    """The inverse of `group`; `grid` is the fine grid."""
    a, b = _shape(factor, axes)
    return rearrange(grouped_BMkD, "B (h w) (a b) D -> B (h a w b) D", h=grid[0] // a, a=a, b=b)


def _shape(factor: Factor, axes: Axes) -> Factor:
    a, b = factor
    return (a, b) if axes == 2 else (1, a * b)
