"""Pre-norm transformer layers (Vaswani et al., 2017, arXiv 1706.03762; Xiong et al., 2020, arXiv 2002.04745)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.networks.attention import CrossAttention, SelfAttention
from lightgen.networks.rotary import Rotary
from lightgen.types import Grid

ATTENDING = 3
"""Of so many blocks one attends to the tokens of the condition."""


@dataclass(frozen=True)
class BlockSize:
    """What all blocks of a network have in common.

    Args:
        dim: D.
        heads, dim_head: of every attention; the inner width is heads * dim_head, whatever D is.
        attended: whether some blocks attend to tokens of the condition: see `blocks`.
        adaptive: whether the condition's vector shifts, scales and gates them.
        causal: whether later positions are hidden.
        rotary: whether queries and keys turn by their place on the grid.

    Raises:
        ValueError: if a size is not at least 1.
    """

    dim: int
    heads: int
    dim_head: int
    attended: bool = False
    adaptive: bool = False
    causal: bool = False
    rotary: bool = True

    def __post_init__(self) -> None:
        for name in ("dim", "heads", "dim_head"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")


class FeedForward(nn.Sequential):
    """LayerNorm, D to 4 D, GELU, back to D."""

    def __init__(self, dim: int, multiplier: int = 4) -> None:
        super().__init__(
            nn.LayerNorm(dim), nn.Linear(dim, multiplier * dim), nn.GELU(), nn.Linear(multiplier * dim, dim)
        )


class Modulation(nn.Sequential):
    """Shift, scale and gate, (B, 1, D) each, of the two halves of a block; all zero at first, so that it does nothing.

    Peebles and Xie, 2022, "Scalable diffusion models with transformers" (adaLN-Zero), arXiv 2212.09748.

    Args:
        dim: D.
        parts: how many vectors there are.
    """

    def __init__(self, dim: int, parts: int = 6) -> None:
        last = nn.Linear(dim, parts * dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        super().__init__(nn.SiLU(), last)


class Block(nn.Module):
    """Self-attention, attention to the condition where there is any, and feed-forward, each added to its input."""

    def __init__(self, size: BlockSize, attends: bool) -> None:
        super().__init__()
        self.attention = SelfAttention(size.dim, size.heads, size.dim_head, size.causal)
        self.cross = CrossAttention(size.dim, size.heads, size.dim_head) if attends else None
        self.feed_forward = FeedForward(size.dim)
        self.modulation = Modulation(size.dim) if size.adaptive else None

    def forward(self, x: Tensor, rotary: nn.Module, context: Context) -> Tensor:
        if self.modulation is not None:
            return self._modulated(x, rotary, context)
        x = x + self.attention(x, rotary)
        if self.cross is not None:
            x = x + self.cross(x, context)
        return x + self.feed_forward(x)

    def _modulated(self, x: Tensor, rotary: nn.Module, context: Context) -> Tensor:
        assert self.modulation is not None
        shift, scale, gate, shift_2, scale_2, gate_2 = self.modulation(context.vector).chunk(6, -1)
        x = x + gate * self.attention.attend(self.attention.norm(x) * (1 + scale) + shift, rotary)
        if self.cross is not None:
            x = x + self.cross(x, context)
        norm, *rest = self.feed_forward
        y = norm(x) * (1 + scale_2) + shift_2
        for layer in rest:
            y = layer(y)
        return x + gate_2 * y


def blocks(depth: int, size: BlockSize) -> nn.ModuleList:
    """So many blocks. Where there are tokens of a condition, the first attends to them, the fourth and so on.

    Each that does takes a sixth longer, and what it learned goes on to those behind it.
    """
    return nn.ModuleList(Block(size, size.attended and i % ATTENDING == 0) for i in range(depth))


class Stack(nn.Module):
    """A number of blocks on one grid.

    Args:
        depth: number of blocks.
        grid: (h, w).
        size: of the blocks.
    """

    def __init__(self, depth: int, grid: Grid, size: BlockSize) -> None:
        super().__init__()
        self.rotary = Rotary(grid, size.dim_head) if size.rotary else nn.Identity()
        self.blocks = blocks(depth, size)

    def forward(self, x: Tensor, context: Context) -> Tensor:
        for block in self.blocks:
            x = block(x, self.rotary, context)
        return x


def place(modules: Iterable[nn.Module]) -> None:
    """Number the layers of a network that attend to the condition, in its own order: see `Context.memory`."""
    layers = [module for module in modules if isinstance(module, CrossAttention)]
    for number, layer in enumerate(layers):
        layer.place = number
