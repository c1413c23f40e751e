"""The contract of a resampler: how the hourglass makes its token grid coarse and fine again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightgen.registry import Component
from lightgen.types import Grid

Factor = tuple[int, int]
"""How many rows and columns of the fine grid make one coarse cell."""


class Down(nn.Module, ABC):
    """(B, N, D) on `grid` to (B, N / k, D) on the coarse grid."""

    @abstractmethod
    def forward(self, fine_BND: Tensor, grid: Grid) -> Tensor: ...


class Up(nn.Module, ABC):
    """Coarse (B, N / k, D) and the residual (B, N, D) from before the valley to (B, N, D) on the fine `grid`."""

    @abstractmethod
    def forward(self, coarse_BMD: Tensor, residual_BND: Tensor, grid: Grid) -> Tensor: ...


class Resampler(Component):
    """A recipe for the pair of layers around a valley of the hourglass; one recipe serves all levels."""

    kind: ClassVar[str] = "resampler"

    @abstractmethod
    def down(self, dim: int, factor: Factor) -> Down:
        """The layer that merges each block of `factor` cells into one."""

    @abstractmethod
    def up(self, dim: int, factor: Factor) -> Up:
        """The layer that splits each cell into a block of `factor` cells and adds the residual."""

    @abstractmethod
    def coarse_grid(self, grid: Grid, factor: Factor) -> Grid:
        """The coarse grid.

        Raises:
            ValueError: if the factor does not divide the grid.
        """
