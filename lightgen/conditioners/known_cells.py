"""Which cells of a picture are known, for networks that are trained to fill holes.

Nichol et al., 2021, "GLIDE", arXiv 2112.10741: the network is finetuned with the known part of the picture and its mask
as further inputs. On tokens the known part stands among the others. Holes are rectangles and strokes as in Yu et al.,
2018, "Free-form image inpainting with gated convolution", arXiv 1806.03589, and half planes.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import KNOWN, Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise, Stream
from lightgen.types import Grid

SIDES = (0.25, 0.9)
"""Sides of rectangles, as shares of the picture's."""
OFFSET = 0.6
"""How far from the middle the edge of a half plane may be, as a share of the way to the farthest cell."""
CORNERS, REACH, WIDTHS = 5, 0.7, (0.06, 0.16)
"""Of a stroke: its points, how far apart they may be each way, and half its width, as shares of the picture's sides."""


class KnownCells(Conditioner):
    """A learned vector for known cells and one for those to be filled, added cell by cell; both begin at zero.

    It is told by the sampler what is known, and asked for nothing, so that guidance does not go away from it. Where
    nothing of a picture is known, nothing is added: then the network is that for whole pictures.

    Args:
        whole: share of the pictures in training, in [0, 1], of which nothing is known. Of the others, a quarter has a
            hole that is a rectangle, a quarter is known within one, a quarter has a stroke, and one is cut off at a
            line.

    Raises:
        ValueError: if the share is out of range.
    """

    reads_known: ClassVar[bool] = True
    source: ClassVar[str] = "Nichol et al., 2021, arXiv 2112.10741"

    def __init__(self, whole: float = 0.1) -> None:
        if not 0 <= whole <= 1:
            raise ValueError(f"whole must be in [0, 1], not {whole}")
        super().__init__(dropout=whole)

    @property
    def names(self) -> tuple[str, ...]:
        return ()

    def attach(self, dim: int) -> None:
        self.embedding = nn.Embedding(2, dim)
        nn.init.zeros_(self.embedding.weight)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        known = condition.tensors.get(KNOWN)
        if known is None:
            return Context()
        return Context(cells=self.embedding(known.long()) * known.any(1)[:, None, None])

    def hide(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        return condition

    def holes(self, grid: Grid, noise: Noise) -> Tensor:
        choice, turn = noise.uniform(0, Stream.KNOWN, 2).unbind(1)
        rows, columns = (torch.linspace(0.5 / n, 1 - 0.5 / n, n, device=choice.device) for n in grid)
        cells = torch.cartesian_prod(rows, columns)
        rectangle = _rectangle(grid, noise)
        shapes = torch.stack([~rectangle, rectangle, ~_stroke(grid, cells, noise), _half_plane(cells, turn)])
        kind = ((choice - self.dropout) / max(1 - self.dropout, 1e-6) * len(shapes)).long().clamp(0, len(shapes) - 1)
        chosen = shapes[kind, torch.arange(len(kind), device=kind.device)]
        return chosen & (choice >= self.dropout)[:, None]


def _rectangle(grid: Grid, noise: Noise) -> Tensor:
    """(B, h w) True within a rectangle of whole cells, which is not the whole picture."""
    uniform = noise.uniform(1, Stream.KNOWN, 4).double()
    inside = []
    for axis, size in enumerate(grid):
        length = ((SIDES[0] + (SIDES[1] - SIDES[0]) * uniform[:, axis]) * size).round().clamp(1, max(size - 1, 1))
        first = (uniform[:, 2 + axis] * (size - length + 1)).floor()
        place = torch.arange(size, device=uniform.device)
        inside.append((place >= first[:, None]) & (place < (first + length)[:, None]))
    return (inside[0][:, :, None] & inside[1][:, None, :]).flatten(1)


def _half_plane(cells: Tensor, turn: Tensor) -> Tensor:
    """(B, h w) True on one side of a line in any direction."""
    angle, offset = turn * 4 % 1 * (2 * math.pi), (turn * 4).floor() / 3 * 2 - 1
    along = (cells - 0.5) @ torch.stack([angle.sin(), angle.cos()])
    return (along < along.amax(0) * OFFSET * offset).T


def _stroke(grid: Grid, cells: Tensor, noise: Noise) -> Tensor:
    """(B, h w) True within half the width of a broken line, and at least in a cell that it goes through."""
    uniform = noise.uniform(2, Stream.KNOWN, 2 * CORNERS + 1)
    corners = uniform[:, : 2 * CORNERS].unflatten(1, (CORNERS, 2))
    moves = torch.cat([corners[:, :1], REACH * (2 * corners[:, 1:] - 1)], 1)
    corners = moves.cumsum(1).clamp(0, 1)
    a, along = corners[:, :-1, None], corners.diff(dim=1)[:, :, None]
    share = ((cells - a) * along).sum(-1) / along.square().sum(-1).clamp_min(1e-6)
    apart = (cells - a - share.clamp(0, 1)[..., None] * along).norm(dim=-1).amin(1)
    half = (WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * uniform[:, -1:]).clamp_min(
        math.hypot(*(0.5 / n for n in grid)) + 1e-3
    )
    return apart <= half
