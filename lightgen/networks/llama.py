"""LLaMA's transformer on a grid: RMS norms, SwiGLU, rotary positions on two axes, no biases.

Sun et al., 2024, "Autoregressive model beats diffusion: Llama for scalable image generation", arXiv 2406.06525.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.base import Interface
from lightgen.networks.prefixed import Memory, Prefixed
from lightgen.networks.styled import Style, StyledBlock, draw_weights, fixed, multiple_of_256
from lightgen.types import Grid


class Llama(Prefixed):
    """A causal transformer; what it reads first is the condition's vector, or that of MASK, and stands nowhere.

    Half of each head turns with the row of a token, half with its column. The released code turns what is read first by
    zeros: its key is zero, so that the others attend to it by a score of 0, and the first token is drawn from it alone.

    Args:
        interface: what it reads and answers.
        dim: D, which `heads` divides; a head is a multiple of 4 wide.
        depth: number of blocks.
        heads: of every attention.
        hidden: width of the feed-forward layers; None is 8/3 of D, rounded up to a multiple of 256.

    Raises:
        ValueError: if a size does not fit.
    """

    source: ClassVar[str] = "Sun et al., 2024, arXiv 2406.06525"
    rotation: Tensor
    """(N, 1, d / 2, 2): cosine and sine of each pair's angle, at each place."""

    def __init__(
        self, interface: Interface, dim: int = 256, depth: int = 8, heads: int = 4, hidden: int | None = None
    ) -> None:
        if heads < 1 or dim % heads or (dim // heads) % 4:
            raise ValueError(f"heads must divide dim, {dim}, into multiples of 4, and {heads} does not")
        hidden = multiple_of_256(8 * dim / 3) if hidden is None else hidden
        self.style = Style(dim, heads, dim // heads, hidden, norm="rms", bias=False, qkv_bias=False,
                           feed_forward="swiglu", causal=True)  # fmt: skip
        super().__init__(interface, dim)
        self.blocks = nn.ModuleList(StyledBlock(self.style) for _ in range(depth))
        fixed(self, "rotation", lambda: angles(self.layout.grid, dim // heads))
        draw_weights(self)

    def ending(self) -> nn.Sequential:
        return nn.Sequential(self.style.new_norm(), nn.Linear(self.dim, self.num_outputs, bias=False))

    def read(self, x_BnD: Tensor, where: slice | Tensor, context: Context, memory: Memory) -> Tensor:
        x = x_BnD
        rotation = torch.view_as_complex(self.rotation.float())[where]
        for block, known in zip(self.blocks, memory, strict=True):
            x = block(x, rotation=rotation, memory=known)
        return x


def angles(grid: Grid, dim_head: int, base: float = 10_000.0) -> Tensor:
    """(h w, 1, dim_head / 2, 2): (0, 0) at the first place, then cosine and sine at each token's cell but the last."""
    h, w = grid
    frequencies = base ** -(torch.arange(dim_head // 4) * 4 / dim_head)
    rows, columns = torch.arange(h)[:, None] * frequencies, torch.arange(w)[:, None] * frequencies
    both = torch.cat([rows[:, None].expand(h, w, -1), columns[None].expand(h, w, -1)], -1).flatten(0, 1)
    turned = torch.stack([both.cos(), both.sin()], -1)
    return torch.cat([torch.zeros_like(turned[:1]), turned[:-1]])[:, None]
