"""LLaMA's transformer on a grid: RMS norms, SwiGLU, rotary positions on two axes, no biases.

Sun et al., 2024, "Autoregressive model beats diffusion: Llama for scalable image generation", arXiv 2406.06525.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lightgen.condition import Condition, Context
from lightgen.networks.base import Interface
from lightgen.networks.prefixed import Memory, Prefixed
from lightgen.networks.styled import Style, StyledBlock, draw_weights, fixed, multiple_of_256
from lightgen.types import Grid


class Llama(Prefixed):
    """A causal transformer; what it reads first is the condition's vector, or that of MASK, and stands nowhere.

    Where the condition has tokens, as a text has, they are what is read first, and the vector is added to each.

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
    reads_tokens: ClassVar[bool] = True
    rotation: Tensor
    """(P + N - 1, 1, d / 2, 2): cosine and sine of each pair's angle, at each place."""
    places: Tensor
    """(P + N - 1,) 0, 1, 2 and so on."""

    def __init__(
        self, interface: Interface, dim: int = 256, depth: int = 8, heads: int = 4, hidden: int | None = None
    ) -> None:
        if heads < 1 or dim % heads or (dim // heads) % 4:
            raise ValueError(f"heads must divide dim, {dim}, into multiples of 4, and {heads} does not")
        hidden = multiple_of_256(8 * dim / 3) if hidden is None else hidden
        self.style = Style(dim, heads, dim // heads, hidden, norm="rms", bias=False, qkv_bias=False,
                           feed_forward="swiglu", causal=True)  # fmt: skip
        if interface.conditioner is not None and interface.conditioner.num_tokens:
            self.num_prefix = interface.conditioner.num_tokens
        super().__init__(interface, dim)
        self.blocks = nn.ModuleList(StyledBlock(self.style) for _ in range(depth))
        fixed(self, "rotation", lambda: angles(self.layout.grid, dim // heads, self.num_prefix))
        fixed(self, "places", lambda: torch.arange(self.num_places))
        draw_weights(self)

    def ending(self) -> nn.Sequential:
        return nn.Sequential(self.style.new_norm(), nn.Linear(self.dim, self.num_outputs, bias=False))

    def prefix(self, context: Context, num_rows: int) -> Tensor:
        if context.tokens is None:
            return super().prefix(context, num_rows)
        tokens = context.tokens if context.vector is None else context.tokens + context.vector
        return tokens.expand(num_rows, -1, -1)

    def context(self, condition: Condition, num_rows: int) -> Context:
        context = super().context(condition, num_rows)
        if context.tokens is None:
            return context
        more = self.num_prefix - context.tokens.shape[1]
        bias = context.tokens.new_zeros(context.tokens.shape[:2]) if context.bias is None else context.bias
        tokens, bias = pad(context.tokens, (0, 0, 0, more)), pad(bias, (0, more), value=-torch.inf)
        return context._replace(tokens=tokens, bias=bias)

    def bias(self, where: slice | Tensor, context: Context) -> Tensor | None:
        """(B, 1, n, P + N - 1) added to the attention of n places; each sees itself, so that what is hidden is finite.

        None where every place sees all before it.
        """
        if context.bias is None:
            return None
        own = self.places[where][:, None]
        seen = pad(context.bias, (0, self.num_places - self.num_prefix))[:, None]
        return torch.where(self.places < own, seen, torch.where(self.places == own, 0.0, -torch.inf))[:, None]

    def read(self, x_BnD: Tensor, where: slice | Tensor, context: Context, memory: Memory) -> Tensor:
        x = x_BnD
        rotation = self.rotation.float()[where]
        bias = self.bias(where, context)
        for block, known in zip(self.blocks, memory, strict=True):
            x = block(x, rotation=rotation, memory=known, bias=bias)
        return x


def angles(grid: Grid, dim_head: int, num_prefix: int = 1, base: float = 10_000.0) -> Tensor:
    """(P + h w - 1, 1, dim_head / 2, 2): (0, 0) at P places, then cosine and sine at each token's cell but the last."""
    h, w = grid
    frequencies = base ** -(torch.arange(dim_head // 4) * 4 / dim_head)
    rows, columns = torch.arange(h)[:, None] * frequencies, torch.arange(w)[:, None] * frequencies
    both = torch.cat([rows[:, None].expand(h, w, -1), columns[None].expand(h, w, -1)], -1).flatten(0, 1)
    turned = torch.stack([both.cos(), both.sin()], -1)
    return torch.cat([turned.new_zeros(num_prefix, *turned.shape[1:]), turned[:-1]])[:, None]
