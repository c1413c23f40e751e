"""U-ViT: a transformer whose later blocks also read what the earlier ones gave, condition and time as a token.

Bao et al., 2022, "All are worth words: a ViT backbone for diffusion models", arXiv 2209.12152. On masked tokens: code
of MUSE-Pytorch; Yu et al., 2024, "An image is worth 32 tokens for reconstruction and generation", arXiv 2406.07550.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.in_context import InContext
from lightgen.networks.styled import Style, StyledBlock, draw_weights, style_of


class UViT(InContext):
    """The last block but k reads what block k gave, too.

    Args:
        interface: what it reads and answers; one code stands at a cell.
        dim: D, which `heads` divides.
        depth: number of blocks, an odd one: there is one in the middle.
        heads: of every attention.
        hidden: width of the feed-forward layers; None is 4 D.
        tied: begin with a norm, and end in BERT's head, tied to the tokens, as MAGE does (Li et al., 2022, arXiv
            2211.09117).

    Raises:
        ValueError: if a size does not fit, or the condition is something to attend to.
    """

    source: ClassVar[str] = "Bao et al., 2022, arXiv 2209.12152"

    def __init__(
        self,
        interface: Interface,
        dim: int = 384,
        depth: int = 9,
        heads: int = 6,
        hidden: int | None = None,
        tied: bool = False,
    ) -> None:
        if depth < 1 or depth % 2 == 0:
            raise ValueError(f"depth must be an odd number, not {depth}")
        style = style_of(dim, heads, hidden, qkv_bias=False)
        super().__init__(interface, style, nn.LayerNorm(dim, 1e-6) if tied else nn.Identity(), tied)
        self.in_blocks = nn.ModuleList(StyledBlock(style) for _ in range(depth // 2))
        self.middle = StyledBlock(style)
        self.out_blocks = nn.ModuleList(JoiningBlock(style) for _ in range(depth // 2))
        self.last_norm = style.new_norm()
        draw_weights(self)

    def body(self, x_BND: Tensor, context: Context) -> Tensor:
        x, given = self.enter(x_BND, context), []
        for block in self.in_blocks:
            x = block(x)
            given.append(x)
        x = self.middle(x)
        for block in self.out_blocks:
            x = block(x, given.pop())
        normed: Tensor = self.last_norm(x[:, 1:])
        return normed


class JoiningBlock(nn.Module):
    """A block that first joins two vectors of each place to one."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.join = nn.Linear(2 * style.dim, style.dim)
        self.block = StyledBlock(style)

    def forward(self, x: Tensor, earlier: Tensor) -> Tensor:
        """(B, n, D) each to (B, n, D)."""
        out: Tensor = self.block(self.join(torch.cat([x, earlier], -1)))
        return out
