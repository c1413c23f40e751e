"""A transformer that goes through the tokens in an order, and at each sees only those before it.

Vaswani et al., 2017, "Attention is all you need", arXiv 1706.03762; on codes of images Esser et al., 2021, "Taming
transformers for high-resolution image synthesis", arXiv 2012.09841.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.layers import Block, Memory
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

    def embed(self, ids_BN: Tensor) -> Tensor:
        start = torch.full_like(ids_BN[:, :1], self.vocab_size)
        read = torch.cat([start, ids_BN[:, self.causal_order[:-1]]], dim=1)
        return self.token(read + self.book) + self.position.weight

    def body(self, x_BND: Tensor) -> Tensor:
        for block in self.blocks:
            x_BND = block(x_BND, self.rotary)
        return x_BND

    def logits(self, x_BND: Tensor) -> Tensor:
        x = x_BND[:, self.rank].unflatten(1, (-1, self.num_codes))
        return torch.stack([self.head(x[:, :, code], code) for code in range(self.num_codes)], dim=2).flatten(1, 2)

    def head(self, x: Tensor, code: int) -> Tensor:
        """Logits (..., V) of one of the codes of a cell, by its share of the last layer."""
        norm, last = self.to_logits
        rows = slice(code * self.vocab_size, (code + 1) * self.vocab_size)
        return linear(norm(x), last.weight[rows], last.bias[rows])

    def reader(self, num_rows: int, label_B: Tensor | None) -> CachedReader:
        """A reader that keeps the keys and values of what it has read: O(N) an id instead of O(N^2)."""
        return CachedReader(self, num_rows, label_B)


class CachedReader:
    """Reads one token at a step. See `lightgen.types.Reader`."""

    def __init__(self, network: CausalTransformer, num_rows: int, label_B: Tensor | None) -> None:
        self.network = network
        self.positions = network.causal_order.tolist()
        device = network.causal_order.device
        self.read_B = torch.full((num_rows,), network.vocab_size, device=device)
        self.condition_BD = network.condition(self.read_B[:, None], None, label_B)[:, 0]
        self.rotation = torch.view_as_complex(network.rotary.rotation.float())
        self.memories = [Memory(network.num_tokens) for _ in network.blocks]

    def __call__(self, ids_BN: Tensor, step: int) -> Tensor:
        network = self.network
        read_B = ids_BN[:, self.positions[step - 1]] if step else self.read_B
        x = network.token(read_B + network.book[step]) + (self.condition_BD + network.position.weight[step])
        rotation = self.rotation[step]
        for block, memory in zip(network.blocks, self.memories, strict=True):
            x = block.step(x, rotation, memory)
        return network.head(x, step % network.num_codes)
