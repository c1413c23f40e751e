"""Orders in which a causal network goes through the cells of a grid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional.low_discrepancy import halton_rank
from lightgen.registry import Component
from lightgen.types import Grid


class Order(Component):
    """Every cell of a grid once, one after the other."""

    kind: ClassVar[str] = "order"

    @abstractmethod
    def cells(self, grid: Grid) -> Tensor:
        """(h w,) int64: the cells, by their place in raster order, in the order in which they are visited."""


class Raster(Order):
    """Row by row, from left to right."""

    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def cells(self, grid: Grid) -> Tensor:
        return torch.arange(grid[0] * grid[1])


class Halton(Order):
    """By the 2-D Halton sequence: the first cells lie far apart, and every next one in the largest gap."""

    source: ClassVar[str] = "Besnier et al., 2025, arXiv 2503.17076"

    def cells(self, grid: Grid) -> Tensor:
        return halton_rank(grid).argsort()


class Given(Order):
    """As it is written down.

    Args:
        places: the cells, numbered in raster order from 0, in the order in which they are visited.

    Raises:
        ValueError: if a cell is missing, or there twice.
    """

    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(self, places: Sequence[int]) -> None:
        if sorted(places) != list(range(len(places))):
            raise ValueError(f"places must hold every number from 0 to {len(places) - 1} once, not {list(places)}")
        self.places = list(places)

    def cells(self, grid: Grid) -> Tensor:
        """The places.

        Raises:
            ValueError: if the grid has another number of cells.
        """
        if len(self.places) != grid[0] * grid[1]:
            raise ValueError(f"the order has {len(self.places)} places, but a {grid[0]}x{grid[1]} grid has other many")
        return torch.tensor(self.places)
