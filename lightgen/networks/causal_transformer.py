"""A transformer that goes through the tokens in an order, and at each sees only those before it.

Vaswani et al., 2017, "Attention is all you need", arXiv 1706.03762; on codes of images Esser et al., 2021, "Taming
transformers for high-resolution image synthesis", arXiv 2012.09841.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from lightgen.networks.cache import CachedBlocks, Norm
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.layers import Block
from lightgen.networks.orders import Order, Raster
from lightgen.networks.rotary import CausalRotary
from lightgen.types import Grid


class CausalTransformer(TokenNetwork):
    """Logits at a position from the ids at the positions before it in the order, and from nothing else.

    Inside, the tokens stand in that order and one place later: at place i the network reads token i - 1 (MASK at place
    0), knows by a learned vector which position it is to fill, and by rotary embedding how far that is from the cells
    it looks at. The codes of a cell follow one another.

    Args:
        num_ids: K = V + 1; the last is MASK.
        vocab_size: V.
        grid: (h, w).
        num_classes: 0 for none.
        num_codes: M, the codes at each cell.
        reads_time: whether the time is an input.
        dim: D.
        depth: number of blocks.
        heads: of every attention.
        dim_head: width of a head; heads * dim_head need not be D.
        order: of the cells; None is row by row.

    Raises:
        ValueError: if the order is of another number of cells.
    """

    causal: ClassVar[bool] = True
    source: ClassVar[str] = "Vaswani et al., 2017, arXiv 1706.03762; Esser et al., 2021, arXiv 2012.09841"

    causal_order: Tensor
    """(N,) the positions in the order."""
    rank: Tensor
    """(N,) the place of each position in the order."""
    book: Tensor
    """(N,) where the embeddings begin of what is read at each place: those of MASK, then of the code of that cell."""

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
        order: Order | None = None,
    ) -> None:
        super().__init__(num_ids, vocab_size, grid, num_classes, num_codes, reads_time, dim)
        cells = (order or Raster()).cells(self.grid)
        codes = torch.arange(num_codes)
        positions = (cells[:, None] * num_codes + codes).flatten()
        book = (codes * num_ids).repeat(len(cells)).roll(1)
        book[0] = 0
        self.register_buffer("causal_order", positions, persistent=False)
        self.register_buffer("rank", positions.argsort(), persistent=False)
        self.register_buffer("book", book, persistent=False)
        self.position = nn.Embedding(len(positions), dim)
        nn.init.normal_(self.position.weight, std=dim**-0.5)
        self.rotary = CausalRotary(self.grid, dim_head, heads, cells.repeat_interleave(num_codes))
        self.blocks = nn.ModuleList(Block(dim, heads, dim_head, causal=True) for _ in range(depth))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                # Column by column: a CPU multiplies that with a few vectors in less time; with many it is the same.
                module.weight.data = module.weight.data.t().contiguous().t()

    def embed(self, ids_BN: Tensor) -> Tensor:
        start = torch.full_like(ids_BN[:, :1], self.vocab_size)
        read = torch.cat([start, ids_BN[:, self.causal_order[:-1]]], dim=1)
        return self.token(read + self.book) + self.position.weight

    def body(self, x_BND: Tensor) -> Tensor:
        for block in self.blocks:
            x_BND = block(x_BND, self.rotary)
        return x_BND

    def logits(self, x_BND: Tensor) -> Tensor:
        x = self.to_logits[0](x_BND)[:, self.rank].unflatten(1, (-1, self.num_codes))
        heads = [self.head(code) for code in range(self.num_codes)]
        return torch.stack([linear(x[:, :, code], *head) for code, head in enumerate(heads)], dim=2).flatten(1, 2)

    def head(self, code: int) -> tuple[Tensor, Tensor]:
        """Weight (V, D) and bias (V,) of the last layer, for one of the codes of a cell."""
        last = self.to_logits.get_submodule("1")
        weight, bias = (p.narrow(0, code * self.vocab_size, self.vocab_size) for p in last.parameters())
        return weight, bias

    def reader(self, num_rows: int, label_B: Tensor | None) -> CachedReader:
        """A reader that keeps the keys and values of all it has read, so that a token costs O(N) and not O(N^2)."""
        return CachedReader(self, num_rows, label_B)


class CachedReader:
    """Reads one token at a step. See `lightgen.types.Reader`."""

    def __init__(self, network: CausalTransformer, num_rows: int, label_B: Tensor | None) -> None:
        self.positions, self.book = network.causal_order.tolist(), network.book.tolist()
        self.start_B = network.causal_order.new_full((num_rows,), network.vocab_size)
        self.condition_BD = network.condition(self.start_B[:, None], None, label_B)[:, 0]
        self.token, self.position = network.token.weight, network.position.weight
        self.blocks = CachedBlocks(network.blocks, network.rotary, num_rows)
        self.norm = Norm(network.to_logits.get_submodule("0"))
        self.heads = [network.head(code) for code in range(network.num_codes)]

    def __call__(self, ids_BN: Tensor, step: int) -> Tensor:
        read_B = ids_BN.select(1, self.positions[step - 1]) + self.book[step] if step else self.start_B
        x = embedding(read_B, self.token) + (self.condition_BD + self.position[step])
        return linear(self.norm(self.blocks(x, step)), *self.heads[step % len(self.heads)])
