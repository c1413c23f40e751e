"""A transformer that goes through the tokens in an order, and at each sees only those before it.

Vaswani et al., 2017, "Attention is all you need", arXiv 1706.03762; on codes of images Esser et al., 2021, "Taming
transformers for high-resolution image synthesis", arXiv 2012.09841.
"""

from __future__ import annotations

from copy import copy
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import embedding, linear

from lightgen.condition import Condition, Context
from lightgen.functional.lookup import Lookup, Place, pick
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.kv_cache import CachedBlocks, Norm
from lightgen.networks.layers import BlockSize, blocks, place
from lightgen.networks.orders import Order, Raster
from lightgen.networks.rotary import CausalRotary


class CausalTransformer(TokenNetwork):
    """Logits at a position from the ids at the positions before it in the order, and from nothing else.

    Inside, the tokens stand in that order and one place later: at place i the network reads token i - 1 (MASK at place
    0), knows by a learned vector which position it is to fill, and by rotary embedding how far that is from the cells
    it looks at. The codes of a cell follow one another.

    Args:
        interface: what it reads and answers; its K is V + 1, and the last id is MASK.
        dim: D.
        depth: number of blocks.
        heads: of every attention.
        dim_head: width of a head; heads * dim_head need not be D.
        order: of the cells; None is row by row.
        adaptive: see `TokenNetwork`.

    Raises:
        ValueError: if the order is of another number of cells.
    """

    causal: ClassVar[bool] = True
    source: ClassVar[str] = "Vaswani et al., 2017, arXiv 1706.03762; Esser et al., 2021, arXiv 2012.09841"

    causal_order: Tensor
    """(N,) the positions in the order."""
    rank: Tensor
    """(N,) the place of each position in the order."""
    offset: Tensor
    """(N,) where the embeddings begin of what is read at each place: those of MASK, then of the code of that cell."""

    def __init__(
        self,
        interface: Interface,
        dim: int = 256,
        depth: int = 8,
        heads: int = 4,
        dim_head: int = 64,
        order: Order | None = None,
        adaptive: bool = False,
    ) -> None:
        super().__init__(interface, dim, adaptive)
        num_codes = self.layout.num_codes
        cells = (order or Raster()).cells(self.layout.grid)
        codes = torch.arange(num_codes)
        positions = (cells[:, None] * num_codes + codes).flatten()
        offset = (codes * self.num_ids).repeat(len(cells)).roll(1)
        offset[0] = 0
        self.register_buffer("causal_order", positions, persistent=False)
        self.register_buffer("rank", positions.argsort(), persistent=False)
        self.register_buffer("offset", offset, persistent=False)
        self.position = nn.Embedding(len(positions), dim)
        nn.init.normal_(self.position.weight, std=dim**-0.5)
        self.rotary = CausalRotary(self.layout.grid, dim_head, heads, cells.repeat_interleave(num_codes))
        size = BlockSize(dim, heads, dim_head, self.attended, adaptive, causal=True)
        self.blocks = blocks(depth, size)
        place(self.modules())
        for module in self.modules():
            if isinstance(module, nn.Linear):
                # Column by column: a CPU multiplies that with a few vectors in less time; with many it is the same.
                module.weight.data = module.weight.data.t().contiguous().t()

    def embed(self, ids_BN: Tensor) -> Tensor:
        before = ids_BN[:, self.causal_order[:-1]]
        if ids_BN.is_floating_point():
            start = self.token.weight[self.layout.mask].expand(len(ids_BN), 1, -1)
            return torch.cat([start, before], dim=1) + self.position.weight
        start = torch.full_like(ids_BN[:, :1], self.layout.mask)
        return self.token(torch.cat([start, before], dim=1) + self.offset) + self.position.weight

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        for block in self.blocks:
            x_BND = block(x_BND, self.rotary, context)
        return x_BND

    def logits(self, x_BND: Tensor) -> Tensor:
        x = self.to_logits[0](x_BND)[:, self.rank].unflatten(1, (-1, self.layout.num_codes))
        heads = [self.head(code) for code in range(self.layout.num_codes)]
        return torch.stack([linear(x[:, :, code], *head) for code, head in enumerate(heads)], dim=2).flatten(1, 2)

    def head(self, code: int) -> tuple[Tensor, Tensor]:
        """Weight (V, D) and bias (V,) of the last layer, for one of the codes of a cell."""
        last = self.to_logits.get_submodule("1")
        weight, bias = (p.narrow(0, code * self.num_outputs, self.num_outputs) for p in last.parameters())
        return weight, bias

    def reader(self, num_rows: int, context: Context | None) -> CachedReader:
        """A reader that keeps the keys and values of all it has read, so that a token costs O(N) and not O(N^2)."""
        context = self.context(Condition(), num_rows) if context is None else context
        return CachedReader(self, num_rows, self.told(context, None))


class CachedReader:
    """Reads one token at a step. See `lightgen.types.Reader`."""

    def __init__(self, network: CausalTransformer, num_rows: int, context: Context) -> None:
        self.positions, self.offset = Lookup(network.causal_order), Lookup(network.offset)
        self.start_B = network.causal_order.new_full((num_rows,), network.layout.mask)
        added = network.token.weight.new_zeros(1, 1, network.dim)
        if context.vector is not None and not network.adaptive:
            added = added + context.vector
        if context.cells is not None:
            cells = network.causal_order.div(network.layout.num_codes, rounding_mode="floor")
            added = added + context.cells[:, cells]
        self.added_BND = added.expand(num_rows, network.layout.num_tokens, -1)
        self.token, self.position = network.token.weight, network.position.weight
        self.blocks = CachedBlocks(network.blocks, network.rotary, num_rows, context)
        self.norm = Norm(network.to_logits.get_submodule("0"))
        self.heads = [network.head(code) for code in range(network.layout.num_codes)]

    @property
    def held(self) -> tuple[Tensor, ...] | None:
        """None where the codes of a cell have heads of their own."""
        return None if len(self.heads) > 1 else (self.added_BND, *self.blocks.held)

    def __call__(self, ids_BN: Tensor, step: Place) -> Tensor:
        if isinstance(step, int) and step == 0:
            read_B = self.start_B
        else:
            read_B = pick(ids_BN, 1, self.positions[step - 1]) + self.offset[step]
        x = embedding(read_B, self.token) + (pick(self.added_BND, 1, step) + pick(self.position, 0, step))
        head = self.heads[int(step) % len(self.heads)] if len(self.heads) > 1 else self.heads[0]
        return linear(self.norm(self.blocks(x, step)), *head)

    def select(self, rows: Tensor) -> CachedReader:
        some = copy(self)
        some.start_B, some.added_BND = self.start_B[rows], self.added_BND[rows]
        some.blocks = self.blocks.select(rows)
        return some
