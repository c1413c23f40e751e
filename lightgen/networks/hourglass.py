"""The hourglass: a few layers at full resolution around many at a coarse one.

Nawrot et al., 2021, "Hierarchical transformers are more efficient language models", arXiv 2110.13711; with 2-D
resampling McKinney and Willcocks, 2022, arXiv 2206.12351.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.layers import BlockSize, Stack, place
from lightgen.networks.resamplers.attention import AttentionResampler
from lightgen.networks.resamplers.base import Factor, Resampler
from lightgen.types import Grid


class Hourglass(TokenNetwork):
    """Pre layers, down, valley, up with the residual from before the valley, post layers.

    Args:
        interface: what it reads and answers.
        dim: D.
        depth: (pre, valley, post) numbers of layers; the valley may be such a triple again: (2, (2, 8, 2), 2).
        factors: (rows, columns) merged on the way into each valley, outermost first; one pair for one valley.
        heads: of every self-attention.
        dim_head: width of a head; heads * dim_head need not be D.
        resampler: of every level; None is an `AttentionResampler` on blocks.
        adaptive: see `TokenNetwork`.
        positions: `rotary`, which turn queries and keys, or `learned`, vectors added to the cells before the first
            layer.

    Raises:
        ValueError: if depth is not such a triple, the number of factors is not the number of valleys, a factor does not
            divide its grid, or `positions` is another word.
    """

    source: ClassVar[str] = "Nawrot et al., 2021, arXiv 2110.13711; McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(
        self,
        interface: Interface,
        dim: int = 256,
        depth: Sequence[Any] = (2, 6, 2),
        factors: Sequence[Factor] = ((2, 2),),
        heads: int = 4,
        dim_head: int = 64,
        resampler: Resampler | None = None,
        adaptive: bool = False,
        positions: Literal["rotary", "learned"] = "rotary",
    ) -> None:
        if positions not in ("rotary", "learned"):
            raise ValueError(f"positions must be rotary or learned, not {positions}")
        super().__init__(interface, dim, adaptive, learned=positions == "learned")
        size = BlockSize(dim, heads, dim_head, self.attended, adaptive, rotary=positions == "rotary")
        self.level = _Level(depth, list(factors), self.layout.grid, size, resampler or AttentionResampler())
        place(self.modules())

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        x: Tensor = self.level(x_BND, context)
        return x


class _Level(nn.Module):
    """Layers on one grid around a valley on a coarser one, which may be a level again."""

    def __init__(
        self,
        depth: Sequence[Any],
        factors: list[Factor],
        grid: Grid,
        size: BlockSize,
        resampler: Resampler,
    ) -> None:
        super().__init__()
        if isinstance(depth, int) or len(depth) != 3 or not (isinstance(depth[0], int) and isinstance(depth[2], int)):
            raise ValueError(f"depth must be (pre, valley, post), where valley may be such a triple again, not {depth}")
        pre, valley, post = depth
        nested = not isinstance(valley, int)
        if not factors or (not nested and len(factors) > 1):
            raise ValueError(
                f"factors must have one pair for each valley of depth; at {depth} there are {len(factors)}"
            )
        self.grid = grid
        self.coarse = coarse = resampler.coarse_grid(grid, factors[0])
        self.pre = Stack(pre, grid, size)
        self.down = resampler.down(size.dim, factors[0])
        self.valley = _Level(valley, factors[1:], coarse, size, resampler) if nested else Stack(valley, coarse, size)
        self.up = resampler.up(size.dim, factors[0])
        self.post = Stack(post, grid, size)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        x = self.pre(x, context)
        x = self.up(self.valley(self.down(x, self.grid), context.pooled(self.grid, self.coarse)), x, self.grid)
        out: Tensor = self.post(x, context)
        return out
