"""MaskBit's transformer: it reads bits in place of embeddings, and is BERT beyond that.

Weber et al., 2024, "MaskBit: Embedding-free image generation via bit tokens", arXiv 2409.16211.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.prefixed import require_unattended
from lightgen.networks.styled import StyledBlock, draw_weights, fixed, style_of


class MaskBit(TokenNetwork):
    """Every position sees every other, and the condition's vector, which stands behind the last cell.

    An id is read as its bits, -1 or 1, the least significant first; all bits of a MASK are 0. The codes of a cell make
    one vector together, and so their bits keep the meaning that they have in a quantizer without a codebook (`LFQ`).

    Args:
        interface: what it reads and answers; its V is a power of two.
        dim: D, which `heads` divides.
        depth: number of blocks.
        heads: of every attention.
        hidden: width of the feed-forward layers; None is 4 D.

    Raises:
        ValueError: if a size does not fit, or the condition is something to attend to.
    """

    source: ClassVar[str] = "Weber et al., 2024, arXiv 2409.16211"
    bits: Tensor
    """(b,) of an id, the least significant first."""

    def __init__(
        self, interface: Interface, dim: int = 256, depth: int = 8, heads: int = 4, hidden: int | None = None
    ) -> None:
        require_unattended(self, interface)
        vocab_size = interface.layout.vocab_size
        if vocab_size < 2 or vocab_size & (vocab_size - 1):
            raise ValueError(f"MaskBit reads bits, so that the codes must be 2, 4, 8 and so on, not {vocab_size}")
        self.num_bits = vocab_size.bit_length() - 1
        style = style_of(dim, heads, hidden, eps=1e-12, post=True)
        super().__init__(interface, dim, adaptive=True, learned=True)
        fixed(self, "bits", lambda: torch.arange(self.num_bits))
        self.last = nn.Parameter(torch.zeros(1, dim))
        self.first_norm = style.new_norm()
        self.blocks = nn.ModuleList(StyledBlock(style) for _ in range(depth))
        draw_weights(self)
        nn.init.normal_(self.last, std=0.02)

    def beginning(self) -> nn.Linear:
        return nn.Linear(self.layout.num_codes * self.num_bits, self.dim)

    def ending(self) -> nn.Sequential:
        last = nn.Linear(self.dim, self.layout.num_codes * self.num_outputs)
        return nn.Sequential(nn.Linear(self.dim, self.dim), nn.GELU(), nn.LayerNorm(self.dim, 1e-12), last)

    def embed(self, ids_BN: Tensor) -> Tensor:
        if ids_BN.is_floating_point():
            return super().embed(ids_BN)
        bits = (ids_BN.unsqueeze(-1) >> self.bits & 1) * 2 - 1
        read = bits.masked_fill((ids_BN == self.layout.mask).unsqueeze(-1), 0).to(self.token.weight.dtype)
        return self.token(read.unflatten(1, (-1, self.layout.num_codes)).flatten(2))

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        assert context.vector is not None
        x = torch.cat([x_BND, (context.vector + self.last).expand(len(x_BND), -1, -1)], 1)
        x = self.first_norm(x)
        for block in self.blocks:
            x = block(x)
        return x[:, :-1]
