"""Karpathy's minGPT, as VQ-GAN priors were trained with it: learned positions, biases everywhere but in the head.

Esser et al., 2021, "Taming transformers for high-resolution image synthesis", arXiv 2012.09841; without the causal mask
Bond-Taylor et al., 2022, "Unleashing transformers", arXiv 2111.12701.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.prefixed import Memory, Prefixed
from lightgen.networks.styled import StyledBlock, draw_weights, style_of


class MinGPT(Prefixed):
    """A causal transformer; what it reads first is the condition's vector, or that of MASK.

    Args:
        interface: what it reads and answers.
        dim: D, which `heads` divides.
        depth: number of blocks.
        heads: of every attention.

    Raises:
        ValueError: if a size does not fit.
    """

    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(self, interface: Interface, dim: int = 256, depth: int = 8, heads: int = 4) -> None:
        super().__init__(interface, dim)
        style = style_of(dim, heads, causal=True)
        self.position = nn.Parameter(torch.zeros(self.num_places, dim))
        self.blocks = nn.ModuleList(StyledBlock(style) for _ in range(depth))
        draw_weights(self)

    def ending(self) -> nn.Sequential:
        return nn.Sequential(nn.LayerNorm(self.dim), nn.Linear(self.dim, self.num_outputs, bias=False))

    def read(self, x_BnD: Tensor, where: slice | Tensor, context: Context, memory: Memory) -> Tensor:
        x = x_BnD + self.position[where]
        for block, known in zip(self.blocks, memory, strict=True):
            x = block(x, memory=known)
        return x


class BidirectionalMinGPT(TokenNetwork):
    """The same blocks, in which every position sees every other; a condition's vector is added to all of them.

    Args:
        interface: what it reads and answers.
        dim: D, which `heads` divides.
        depth: number of blocks.
        heads: of every attention.

    Raises:
        ValueError: if a size does not fit.
    """

    source: ClassVar[str] = "Bond-Taylor et al., 2022, arXiv 2111.12701"

    def __init__(self, interface: Interface, dim: int = 256, depth: int = 8, heads: int = 4) -> None:
        super().__init__(interface, dim, learned=True)
        style = style_of(dim, heads)
        self.blocks = nn.ModuleList(StyledBlock(style) for _ in range(depth))
        draw_weights(self)

    def ending(self) -> nn.Sequential:
        num_outputs = self.layout.num_codes * self.num_outputs
        return nn.Sequential(nn.LayerNorm(self.dim), nn.Linear(self.dim, num_outputs, bias=False))

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        for block in self.blocks:
            x_BND = block(x_BND)
        return x_BND
