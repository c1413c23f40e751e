"""RAR's transformer: causal, told at each place which cell comes next, modulated by class and place.

Yu et al., 2024, "Randomized autoregressive visual generation", arXiv 2411.00776.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, pad

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.layers import Modulation
from lightgen.networks.prefixed import Memory, Prefixed
from lightgen.networks.styled import StyledBlock, draw_weights, modulated, style_of


class RAR(Prefixed):
    """Reads a start vector, then the condition's, or that of MASK, then the tokens row by row.

    Three tables say where it is: a vector of what stands at a place, one of the cell that comes next, and one of the
    place itself, which together with the condition's modulates every block.

    Args:
        interface: what it reads and answers.
        dim: D, which `heads` divides.
        depth: number of blocks.
        heads: of every attention.
        hidden: width of the feed-forward layers; None is 4 D.

    Raises:
        ValueError: if a size does not fit.
    """

    source: ClassVar[str] = "Yu et al., 2024, arXiv 2411.00776"
    num_prefix: int = 2

    def __init__(
        self, interface: Interface, dim: int = 256, depth: int = 8, heads: int = 4, hidden: int | None = None
    ) -> None:
        self.style = style_of(dim, heads, hidden, eps=1e-6, query_norm="head", modulated=True, causal=True)
        super().__init__(interface, dim)
        num_tokens = self.layout.num_tokens
        self.start = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(torch.zeros(2 + num_tokens, dim))
        self.target = nn.Parameter(torch.zeros(num_tokens, dim))
        self.place = nn.Parameter(torch.zeros(self.num_places, dim))
        self.blocks = nn.ModuleList(StyledBlock(self.style) for _ in range(depth))
        self.last_modulation = Modulation(dim, 2)
        draw_weights(self)
        for table in (self.start, self.position, self.target, self.place):
            nn.init.normal_(table, std=0.02)

    def ending(self) -> nn.Sequential:
        return nn.Sequential(nn.Linear(self.dim, self.num_outputs))

    def prefix(self, context: Context, num_rows: int) -> Tensor:
        return torch.cat([self.start.expand(num_rows, -1, -1), super().prefix(context, num_rows)], 1)

    def read(self, x_BnD: Tensor, where: slice | Tensor, context: Context, memory: Memory) -> Tensor:
        # Before the start vector no cell is said to come next.
        target = pad(self.target, (0, 0, 1, 0))
        x = x_BnD + self.position[where] + target[where]
        told = super().prefix(context, len(x)) + self.place[where]
        for block, known in zip(self.blocks, memory, strict=True):
            x = block(x, told, memory=known)
        scale, shift = self.last_modulation(told).chunk(2, -1)
        return modulated(layer_norm(x, (self.dim,), eps=self.style.eps), shift, scale)
