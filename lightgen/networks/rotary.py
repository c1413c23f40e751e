"""Rotary positions on a grid: half of each head turns with the row, half with the column.

Su et al., 2021, "RoFormer", arXiv 2104.09864, in the "pixel" form that McKinney and Willcocks, 2022,
arXiv 2206.12351, use: positions span [-1, 1] on each axis whatever its length. Every head is rotated.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lightgen.types import Grid


class Rotary(nn.Module):
    """Rotates queries and keys by their place on the grid.

    Args:
        grid: (h, w).
        dim_head: width of a head, divisible by 4.

    Raises:
        ValueError: if `dim_head` is not divisible by 4.
    """

    rotation: Tensor
    """(N, 1 or heads, dim_head / 2, 2): cosine and sine of each pair's angle."""

    def __init__(self, grid: Grid, dim_head: int) -> None:
        super().__init__()
        if dim_head % 4:
            raise ValueError(f"dim_head must be divisible by 4 for two axes of rotary positions, not {dim_head}")
        h, w = grid
        rows, columns = _angles(h, dim_head // 4), _angles(w, dim_head // 4)
        angles = torch.cat([rows[:, None].expand(h, w, -1), columns[None].expand(h, w, -1)], dim=-1)
        angles = angles.reshape(h * w, 1, dim_head // 2)
        self.register_buffer("rotation", torch.stack([angles.cos(), angles.sin()], dim=-1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Rotate (B, N, heads, dim_head), two neighbouring channels at a time."""
        return turn(x, self.rotation.float())


class CausalRotary(Rotary):
    """Queries turn by the cell that they predict, keys by the cell of the token that they hold.

    So the product of the two depends on the way from the one cell to the other, in any order.

    Args:
        grid: (h, w).
        dim_head: width of a head, divisible by 4.
        heads: of the queries; as many keys follow them.
        cells_N: (N,) the cell of each token of the sequence, in raster order. The token itself is read one step later;
            what is read first has no cell.
    """

    def __init__(self, grid: Grid, dim_head: int, heads: int, cells_N: Tensor) -> None:
        super().__init__(grid, dim_head)
        target = self.rotation[cells_N]
        nowhere = torch.tensor([1.0, 0.0]).expand_as(target[:1])
        source = torch.cat([nowhere, target[:-1]])
        self.rotation = torch.cat([target.expand(-1, heads, -1, -1), source.expand(-1, heads, -1, -1)], dim=1)


def turn(x: Tensor, rotation: Tensor) -> Tensor:
    """Rotate pairs of neighbouring channels of (..., dim_head) by cosines and sines (..., dim_head / 2, 2), float32."""
    pairs = x.float().unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        # The compiler makes no code of its own for complex numbers.
        (a, b), (cosine, sine) = pairs.unbind(-1), rotation.unbind(-1)
        turned = torch.stack([a * cosine - b * sine, a * sine + b * cosine], -1)
    else:
        # One complex product reads and writes each number once.
        turned = torch.view_as_real(torch.view_as_complex(pairs) * torch.view_as_complex(rotation))
    return turned.flatten(-2).type_as(x)


def _angles(length: int, num_frequencies: int) -> Tensor:
    """(length, num_frequencies); the highest frequency turns half a circle from one position to the next."""
    position = torch.linspace(-1, 1, length) if length > 1 else torch.zeros(1)
    frequency = torch.linspace(1.0, max(1.0, length / 2), num_frequencies) * math.pi
    return position[:, None] * frequency
