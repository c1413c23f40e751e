"""aMUSEd's network: convolutions on a grid, a transformer in the middle, and everywhere attention to a text.

Patil et al., 2024, "aMUSEd: An open MUSE reproduction", arXiv 2401.01808. The blocks around the transformer are
ConvNeXt's (Woo et al., 2023, arXiv 2301.00808), without positions: the convolutions tell them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from lightgen.condition import Condition, Context
from lightgen.networks.base import Interface
from lightgen.networks.embedding import TokenNetwork
from lightgen.networks.prefixed import require_single
from lightgen.networks.styled import Style, draw_weights
from lightgen.networks.uvit_2d_blocks import (
    EPS,
    ConvBlock,
    ToldAttention,
    ToldBlock,
    channels_first,
    channels_last,
    in_row,
    on_grid,
)


class UViT2D(TokenNetwork):
    """Convolution blocks, a transformer, convolution blocks.

    The condition's vector scales and shifts every block, and its tokens, where it has some, are attended to in all.

    Args:
        interface: what it reads and answers; one code stands at a cell.
        dim: D, of the transformer, which `heads` divides.
        depth: number of its blocks.
        heads: of every attention in it.
        hidden: width of its feed-forward layers; None is 2.75 D.
        channels: of the convolution blocks, which `channel_heads` divides.
        num_convolutions: blocks before the transformer, and as many after it.
        channel_heads: of every attention in those.
        shrink: whether one place in the transformer stands for 2 x 2 cells.

    Raises:
        ValueError: if a size does not fit.
    """

    source: ClassVar[str] = "Patil et al., 2024, arXiv 2401.01808"

    def __init__(
        self,
        interface: Interface,
        dim: int = 256,
        depth: int = 6,
        heads: int = 4,
        hidden: int | None = None,
        channels: int = 192,
        num_convolutions: int = 2,
        channel_heads: int = 3,
        shrink: bool = False,
    ) -> None:
        require_single(self, interface)
        for name, width, number in (("heads", dim, heads), ("channel_heads", channels, channel_heads)):
            if number < 1 or width % number:
                raise ValueError(f"{name} must divide {width}, and {number} does not")
        if shrink and any(side % 2 for side in interface.layout.grid):
            raise ValueError("shrink takes grids of an even height and width, not "
                             f"{'x'.join(map(str, interface.layout.grid))}")  # fmt: skip
        self.channels = channels
        super().__init__(interface, dim, adaptive=True)
        hidden = 11 * dim // 4 if hidden is None else hidden
        style = Style(dim, heads, dim // heads, hidden, norm="rms", eps=EPS, bias=False, qkv_bias=False)
        attended = self.attended
        self.enter = nn.Sequential(nn.RMSNorm(channels, EPS), nn.Linear(channels, channels, bias=False))
        self.down = nn.Conv2d(channels, channels, 2, 2, bias=False) if shrink else None
        self.down_norm = nn.RMSNorm(channels, EPS) if shrink else None
        self.down_blocks, self.up_blocks = (
            nn.ModuleList(ConvBlock(channels, dim, channel_heads, attended) for _ in range(num_convolutions))
            for _ in range(2)
        )
        self.widen = nn.Sequential(nn.RMSNorm(channels, EPS), nn.Linear(channels, dim, bias=False))
        self.blocks = nn.ModuleList(ToldBlock(style, attended) for _ in range(depth))
        self.narrow = nn.Sequential(nn.RMSNorm(dim, EPS), nn.Linear(dim, channels, bias=False))
        self.up = nn.ConvTranspose2d(channels, channels, 2, 2, bias=False) if shrink else None
        self.up_norm = nn.RMSNorm(channels, EPS) if shrink else None
        draw_weights(self)
        for place, (layer, _) in enumerate(self._attending()):
            layer.place = place

    def beginning(self) -> nn.Embedding:
        return nn.Embedding(self.num_ids, self.channels)

    def ending(self) -> nn.Sequential:
        c = self.channels
        return nn.Sequential(
            nn.Linear(c, c, bias=False), nn.RMSNorm(c, EPS), nn.Linear(c, self.num_outputs, bias=False)
        )

    def _attending(self) -> Iterator[tuple[ToldAttention, nn.Module]]:
        """Each attention to the condition, and what first maps the tokens for it."""
        for block in [*self.down_blocks, *self.up_blocks, *self.blocks]:
            assert isinstance(block, ConvBlock | ToldBlock)
            yield from block.attending

    def context(self, condition: Condition, num_rows: int) -> Context:
        context = super().context(condition, num_rows)
        if context.tokens is None:
            return context
        memory = tuple(layer.remember(mapping(context.tokens)) for layer, mapping in self._attending())
        bias = context.bias
        if bias is not None:
            # Where there is no token, all are seen: attention must add up to 1.
            bias = bias.masked_fill((bias == -torch.inf).all(1, keepdim=True), 0.0)
        return context._replace(memory=memory, bias=bias)

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        context = self.told(self.context(Condition(), len(ids_BN)) if context is None else context, time)
        return self.logits(self.body(self.embed(ids_BN), context))

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        x = on_grid(self.enter(x_BND), self.layout.grid)
        if self.down is not None and self.down_norm is not None:
            x = self.down(channels_first(self.down_norm(channels_last(x))))
        grid = (x.shape[2], x.shape[3])
        context = context.pooled(self.layout.grid, grid)
        for block in self.down_blocks:
            x = block(x, context)
        y = self.widen(in_row(x))
        if context.cells is not None:
            y = y + in_row(adaptive_avg_pool2d(on_grid(context.cells, self.layout.grid), grid))
        for block in self.blocks:
            y = block(y, context)
        x = on_grid(self.narrow(y), grid)
        for block in self.up_blocks:
            x = block(x, context)
        if self.up is not None and self.up_norm is not None:
            x = self.up(channels_first(self.up_norm(channels_last(x))))
        return in_row(x)
