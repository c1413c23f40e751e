"""Resampling by one linear map per block: a strided convolution and its transpose, on tokens."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from lightgen.networks.resamplers.base import Down, Factor, Resampler, Up
from lightgen.networks.resamplers.blocks import Axes, coarse_grid, group, ungroup
from lightgen.types import Grid


class LinearResampler(Resampler):
    """k D to D down, D to k D up. In 2-D these are Conv2d and ConvTranspose2d with stride = kernel = factor.

    Args:
        axes: 1 groups runs of the raster order, 2 groups blocks.
    """

    source: ClassVar[str] = "Nawrot et al., 2021, arXiv 2110.13711; 2-D: McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(self, axes: Axes = 2) -> None:
        self.axes = axes

    def down(self, dim: int, factor: Factor) -> Down:
        return _LinearDown(dim, factor, self.axes)

    def up(self, dim: int, factor: Factor) -> Up:
        return _LinearUp(dim, factor, self.axes)

    def coarse_grid(self, grid: Grid, factor: Factor) -> Grid:
        return coarse_grid(grid, factor, self.axes)


class _LinearDown(Down):
    def __init__(self, dim: int, factor: Factor, axes: Axes) -> None:
        super().__init__()
        self.factor, self.axes = factor, axes
        self.linear = nn.Linear(factor[0] * factor[1] * dim, dim)

    def forward(self, fine_BND: Tensor, grid: Grid) -> Tensor:
        coarse: Tensor = self.linear(group(fine_BND, grid, self.factor, self.axes).flatten(2))
        return coarse


class _LinearUp(Up):
    def __init__(self, dim: int, factor: Factor, axes: Axes) -> None:
        super().__init__()
        self.factor, self.axes = factor, axes
        self.linear = nn.Linear(dim, factor[0] * factor[1] * dim)

    def forward(self, coarse_BMD: Tensor, residual_BND: Tensor, grid: Grid) -> Tensor:
        a, b = self.factor
        split = self.linear(coarse_BMD).unflatten(2, (a * b, -1))
        return residual_BND + ungroup(split, grid, self.factor, self.axes)
