"""Where the tokens of a picture stand, and what they can be."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional.low_discrepancy import halton_rank
from lightgen.functional.tiling import canvas_grid, window_positions
from lightgen.registry import Component
from lightgen.types import Canvas, Grid


@dataclass(frozen=True)
class Layout(Component):
    """The cells of a picture, the codes at each, and the codebook that they are of.

    Tokens stand in raster order of their cells, and the codes of a cell follow one another: N = M h w.

    >>> layout = Layout((2, 3), vocab_size=16, num_codes=2)
    >>> layout.num_tokens, layout.unflatten(torch.arange(12)[None]).shape
    (12, torch.Size([1, 2, 2, 3]))

    Args:
        cells: (h, w) of a grid, or (L,) of a sequence whose places are none of the picture's.
        vocab_size: V, codes in the codebook; its MASK, where there is one, is id V.
        num_codes: M, codes at each cell, each of a codebook of its own.

    Raises:
        ValueError: if there are not one or two numbers of cells, or a number is below 1.
    """

    kind: ClassVar[str] = "layout"
    source: ClassVar[str] = "lightgen"

    cells: tuple[int, ...]
    vocab_size: int
    num_codes: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(self.cells))
        if len(self.cells) not in (1, 2):
            raise ValueError(f"cells must be (h, w) of a grid or (L,) of a sequence, not {self.cells}")
        for name, number in (
            ("cells", min(self.cells)),
            ("vocab_size", self.vocab_size),
            ("num_codes", self.num_codes),
        ):
            if number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")

    @property
    def is_grid(self) -> bool:
        """Whether cells stand for places of the picture."""
        return len(self.cells) == 2

    @property
    def grid(self) -> Grid:
        """(h, w); a sequence is one row."""
        return (self.cells[0], self.cells[1]) if self.is_grid else (1, self.cells[0])

    @property
    def num_cells(self) -> int:
        """h w, or L."""
        return math.prod(self.cells)

    @property
    def num_tokens(self) -> int:
        """N."""
        return self.num_codes * self.num_cells

    @property
    def mask(self) -> int:
        """The id that MASK has, where there is one."""
        return self.vocab_size

    def flatten(self, ids: Tensor) -> Tensor:
        """Ids (B, *cells), or (B, M, *cells), to (B, N)."""
        several = ids.ndim > 1 + len(self.cells)
        return ids.flatten(2).transpose(1, 2).flatten(1) if several else ids.flatten(1)

    def unflatten(self, ids_BN: Tensor) -> Tensor:
        """The inverse of `flatten`: (B, *cells), or (B, M, *cells) for M > 1."""
        if self.num_codes == 1:
            return ids_BN.unflatten(1, self.cells)
        return ids_BN.unflatten(1, (-1, self.num_codes)).transpose(1, 2).unflatten(2, self.cells)

    def filled(self, ids_BN: Tensor) -> Tensor:
        """Ids (B, N) in which each cell that has a MASK is like the nearest cell that has none.

        A decoder sees beyond a cell, so what stands beside one that is written should not change its colours.
        """
        there = (ids_BN < self.vocab_size).unflatten(1, (-1, self.num_codes)).all(-1)
        places = torch.cartesian_prod(*(torch.arange(length, device=ids_BN.device) for length in self.grid)).float()
        apart = torch.cdist(places, places).expand(len(ids_BN), -1, -1)
        nearest = apart.masked_fill(~there[:, None], torch.inf).argmin(-1)
        cells = ids_BN.unflatten(1, (-1, self.num_codes))
        return cells.gather(1, nearest[..., None].expand_as(cells)).flatten(1).clamp_max(self.vocab_size - 1)

    def pixels(self, there_BN: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, 1, H, W) True where all tokens of a pixel's cell are there; of a sequence, where all tokens are.

        Args:
            there_BN: (B, N) bool.
            size: (H, W) of the picture, which the grid divides.
        """
        cells = there_BN.unflatten(1, (-1, self.num_codes)).all(-1)
        if not self.is_grid:
            return cells.all(1)[:, None, None, None].expand(-1, 1, *size)
        cells = cells.unflatten(1, self.grid).unsqueeze(1)
        for axis in (0, 1):
            cells = cells.repeat_interleave(size[axis] // self.grid[axis], 2 + axis)
        return cells

    def halton_rank(self) -> Tensor:
        """(N,) int64: the place of each token in the Halton sequence of the cells."""
        rank = halton_rank(self.grid)
        return (rank[:, None] * self.num_codes + torch.arange(self.num_codes)).flatten()

    def on(self, canvas: Canvas | None) -> Layout:
        """The layout of a canvas of so many rows and columns of this one; None is this one.

        Raises:
            ValueError: if the canvas is smaller than one window, cuts a cell, or there is no grid to tile.
        """
        if canvas is None:
            return self
        if not self.is_grid:
            raise ValueError("a larger canvas needs tokens on a grid; those of this prior are a sequence")
        return replace(self, cells=canvas_grid(self.grid, canvas))

    def windows(self, window: Layout, overlap: float) -> Tensor:
        """(windows, n) int64: the tokens in each window of another layout's size, in that one's order."""
        return window_positions(self.grid, window.grid, overlap, self.num_codes)
