"""A flat transformer on a grid of tokens."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.layers import Stack
from lightgen.types import Grid


class Transformer(TokenNetwork):
    """The same blocks at full resolution from beginning to end.

    Args:
        num_ids: K.
        vocab_size: V.
        grid: (h, w).
        num_classes: 0 for none.
        num_codes: M, the codes at each cell.
        reads_time: whether the time is an input.
        dim: D.
        depth: number of blocks.
        heads: of every attention.
        dim_head: width of a head; heads * dim_head need not be D.
    """

    source: ClassVar[str] = "Vaswani et al., 2017, arXiv 1706.03762"

    def __init__(
        self,
        num_ids: int,
        vocab_size: int,
        grid: Grid,
        num_classes: int = 0,
        num_codes: int = 1,
        reads_time: bool = False,
        dim: int = 256,
        depth: int = 8,
        heads: int = 4,
        dim_head: int = 64,
    ) -> None:
        super().__init__(num_ids, vocab_size, grid, num_classes, num_codes, reads_time, dim)
        self.stack = Stack(depth, self.grid, dim, heads, dim_head)

    def body(self, x_BND: Tensor) -> Tensor:
        x: Tensor = self.stack(x_BND)
        return x
