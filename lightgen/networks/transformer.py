"""A flat transformer on a grid of tokens."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.layers import BlockSize, Stack, place


class Transformer(TokenNetwork):
    """The same blocks at full resolution from beginning to end.

    Args:
        interface: what it reads and answers.
        dim: D.
        depth: number of blocks.
        heads: of every attention.
        dim_head: width of a head; heads * dim_head need not be D.
        adaptive: see `TokenNetwork`.
        positions: `rotary`, which turn queries and keys, or `learned`, vectors added to the cells before the first
            layer.

    Raises:
        ValueError: if `positions` is another word.
    """

    source: ClassVar[str] = "Vaswani et al., 2017, arXiv 1706.03762"

    def __init__(
        self,
        interface: Interface,
        dim: int = 256,
        depth: int = 8,
        heads: int = 4,
        dim_head: int = 64,
        adaptive: bool = False,
        positions: Literal["rotary", "learned"] = "rotary",
    ) -> None:
        if positions not in ("rotary", "learned"):
            raise ValueError(f"positions must be rotary or learned, not {positions}")
        super().__init__(interface, dim, adaptive, learned=positions == "learned")
        size = BlockSize(dim, heads, dim_head, self.attended, adaptive, rotary=positions == "rotary")
        self.stack = Stack(depth, self.layout.grid, size)
        place(self.modules())

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        x: Tensor = self.stack(x_BND, context)
        return x
