"""Resampling without parameters: the mean of a block, and its repetition."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.networks.resamplers.base import Down, Factor, Resampler, Up
from lightgen.networks.resamplers.blocks import Axes, coarse_grid, group, ungroup
from lightgen.types import Grid


class NaiveResampler(Resampler):
    """Average pooling down, repetition up.

    Args:
        axes: 1 groups runs of the raster order, 2 groups blocks.
    """

    source: ClassVar[str] = "Nawrot et al., 2021, arXiv 2110.13711; 2-D: McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(self, axes: Axes = 2) -> None:
        self.axes = axes

    def down(self, dim: int, factor: Factor) -> Down:
        return _MeanDown(factor, self.axes)

    def up(self, dim: int, factor: Factor) -> Up:
        return _RepeatUp(factor, self.axes)

    def coarse_grid(self, grid: Grid, factor: Factor) -> Grid:
        return coarse_grid(grid, factor, self.axes)


class _MeanDown(Down):
    def __init__(self, factor: Factor, axes: Axes) -> None:
        super().__init__()
        self.factor, self.axes = factor, axes

    def forward(self, fine_BND: Tensor, grid: Grid) -> Tensor:
        return group(fine_BND, grid, self.factor, self.axes).mean(2)


class _RepeatUp(Up):
    def __init__(self, factor: Factor, axes: Axes) -> None:
        super().__init__()
        self.factor, self.axes = factor, axes

    def forward(self, coarse_BMD: Tensor, residual_BND: Tensor, grid: Grid) -> Tensor:
        a, b = self.factor
        repeated = coarse_BMD.unsqueeze(2).expand(-1, -1, a * b, -1)
        return residual_BND + ungroup(repeated, grid, self.factor, self.axes)
