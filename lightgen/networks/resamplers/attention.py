"""Resampling refined by attention between a coarse cell and the members of its block."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from lightgen.networks.layers import FeedForward
from lightgen.networks.resamplers.base import Down, Factor, Resampler, Up
from lightgen.networks.resamplers.blocks import Axes, coarse_grid, group, ungroup
from lightgen.networks.resamplers.linear import LinearResampler
from lightgen.types import Grid


class AttentionResampler(Resampler):
    """A base resampler, then a transformer layer in which each cell attends to its own block, and back.

    Attention groups tokens by `axes` and pooling by the base's own map. They should agree; the code released with
    arXiv 2206.12351 pools in 2-D and attends in 1-D, so that a cell attends to strangers:
    `AttentionResampler(axes=1, base=LinearResampler(axes=2))`.

    Args:
        axes: 1 groups runs of the raster order, 2 groups blocks.
        base: makes the first guess; None is a `LinearResampler` of the same axes.
        dim_head: width of a head.
        heads: of the attention; None is D / dim_head.
        full: the whole layer of the released code, as long as it is: queries and keys on the way up too, where there is
            one key for each query, and keys and values of vectors that are not normed.
    """

    source: ClassVar[str] = "Nawrot et al., 2021, arXiv 2110.13711; 2-D: McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(
        self,
        axes: Axes = 2,
        base: Resampler | None = None,
        dim_head: int = 64,
        heads: int | None = None,
        full: bool = False,
    ) -> None:
        self.axes = axes
        self.base = base or LinearResampler(axes)
        self.dim_head = dim_head
        self.heads = heads
        self.full = full

    def down(self, dim: int, factor: Factor) -> Down:
        return _AttentionDown(dim, factor, self.axes, self.base, self._heads(dim), self.dim_head, self.full)

    def up(self, dim: int, factor: Factor) -> Up:
        heads = self._heads(dim)
        if self.full:
            return _FullAttentionUp(dim, factor, self.axes, self.base, heads, self.dim_head)
        return _AttentionUp(dim, factor, self.axes, self.base, heads * self.dim_head)

    def coarse_grid(self, grid: Grid, factor: Factor) -> Grid:
        coarse_grid(grid, factor, self.axes)
        return self.base.coarse_grid(grid, factor)

    def _heads(self, dim: int) -> int:
        return max(1, dim // self.dim_head) if self.heads is None else self.heads


class _AttentionDown(Down):
    """Each pooled cell attends to the members of its block."""

    def __init__(
        self, dim: int, factor: Factor, axes: Axes, base: Resampler, heads: int, dim_head: int, full: bool
    ) -> None:
        super().__init__()
        self.factor, self.axes, self.heads = factor, axes, heads
        inner = heads * dim_head
        self.base = base.down(dim, factor)
        self.to_q = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, inner, bias=False))
        self.to_kv = nn.Sequential(*[] if full else [nn.LayerNorm(dim)], nn.Linear(dim, 2 * inner, bias=False))
        self.to_out = nn.Linear(inner, dim)
        self.feed_forward = FeedForward(dim)

    def forward(self, fine_BND: Tensor, grid: Grid) -> Tensor:
        coarse = self.base(fine_BND, grid)
        q = self.to_q(coarse).unflatten(-1, (1, self.heads, -1))
        k, v = group(self.to_kv(fine_BND), grid, self.factor, self.axes).unflatten(-1, (2 * self.heads, -1)).chunk(2, 3)
        # One query and a handful of keys a block: products summed in place beat thousands of tiny matrix products.
        weights = ((q * k).sum(-1, keepdim=True) * k.shape[-1] ** -0.5).softmax(2)
        coarse = coarse + self.to_out((weights * v).sum(2).flatten(2))
        refined: Tensor = coarse + self.feed_forward(coarse)
        return refined


class _AttentionUp(Up):
    """Each member attends to its cell. Softmax over one key is 1, so this is the cell's value, without query or key."""

    def __init__(self, dim: int, factor: Factor, axes: Axes, base: Resampler, inner: int) -> None:
        super().__init__()
        self.factor, self.axes = factor, axes
        self.base = base.up(dim, factor)
        self.value = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, inner, bias=False), nn.Linear(inner, dim))
        self.feed_forward = FeedForward(dim)

    def forward(self, coarse_BMD: Tensor, residual_BND: Tensor, grid: Grid) -> Tensor:
        a, b = self.factor
        value = self.value(coarse_BMD).unsqueeze(2).expand(-1, -1, a * b, -1)
        fine = self.base(coarse_BMD, residual_BND, grid) + ungroup(value, grid, self.factor, self.axes)
        refined: Tensor = fine + self.feed_forward(fine)
        return refined


class _FullAttentionUp(Up):
    """The same with the query and the key, whose gradient is zero."""

    def __init__(self, dim: int, factor: Factor, axes: Axes, base: Resampler, heads: int, dim_head: int) -> None:
        super().__init__()
        self.factor, self.axes, self.heads = factor, axes, heads
        inner = heads * dim_head
        self.base = base.up(dim, factor)
        self.to_q = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, inner, bias=False))
        self.to_kv = nn.Linear(dim, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, dim)
        self.feed_forward = FeedForward(dim)

    def forward(self, coarse_BMD: Tensor, residual_BND: Tensor, grid: Grid) -> Tensor:
        fine = self.base(coarse_BMD, residual_BND, grid)
        q = group(self.to_q(fine), grid, self.factor, self.axes).unflatten(-1, (self.heads, -1))
        k, v = self.to_kv(coarse_BMD).unflatten(-1, (1, 2 * self.heads, -1)).chunk(2, 3)
        score = (q * k).sum(-1, keepdim=True) * k.shape[-1] ** -0.5
        attended = score.unsqueeze(-1).softmax(-1).squeeze(-1) * v
        fine = fine + self.to_out(ungroup(attended.flatten(3), grid, self.factor, self.axes))
        refined: Tensor = fine + self.feed_forward(fine)
        return refined
