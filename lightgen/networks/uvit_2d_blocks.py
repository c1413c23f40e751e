"""The blocks of aMUSEd's network: of a transformer, and ConvNeXt's.

Patil et al., 2024, arXiv 2401.01808; Woo et al., 2023, "ConvNeXt V2", arXiv 2301.00808.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, pad, scaled_dot_product_attention, silu

from lightgen.condition import Context
from lightgen.networks.attention import painted
from lightgen.networks.styled import Style, StyledAttention
from lightgen.types import Grid

EPS = 1e-6
"""Of every norm."""


def on_grid(x_BNC: Tensor, grid: Grid) -> Tensor:
    """(B, h w, C) to (B, C, h, w)."""
    return x_BNC.transpose(1, 2).unflatten(2, grid)


def in_row(x_BChw: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h w, C)."""
    return x_BChw.flatten(2).transpose(1, 2)


def channels_last(x_BChw: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h, w, C)."""
    return x_BChw.permute(0, 2, 3, 1)


def channels_first(x_BhwC: Tensor) -> Tensor:
    """(B, h, w, C) to (B, C, h, w)."""
    return x_BhwC.permute(0, 3, 1, 2)


class ToldAttention(nn.Module):
    """Every position attends to the tokens of a condition, D wide; (B, N, C) to (B, N, C)."""

    def __init__(self, width: int, source: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.place = 0
        """Of this layer in `Context.memory`."""
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_kv = nn.Linear(source, 2 * width, bias=False)
        self.to_out = nn.Linear(width, width, bias=False)

    def remember(self, tokens_BLD: Tensor) -> Tensor:
        """(B, 2, heads, L, d): keys and values."""
        return self.to_kv(tokens_BLD).unflatten(-1, (2, self.heads, -1)).permute(0, 2, 3, 1, 4).contiguous()

    def forward(self, x: Tensor, context: Context) -> Tensor:
        keys, values = context.memory[self.place].unbind(1)
        q = self.to_q(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        bias = None if context.bias is None else context.bias[:, None, None].to(q.dtype)
        if context.regions is not None and context.strength is not None:
            # As beside a first token that is not there.
            keys, values = (pad(part, (0, 0, 1, 0)) for part in (keys, values))
            bias = q.new_zeros(1, 1, 1, keys.shape[2] - 1) if bias is None else bias
            bias = painted(context.regions, context.strength, q, keys, pad(bias, (1, 0), value=-torch.inf))
        attended = scaled_dot_product_attention(q, keys, values, attn_mask=bias)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class ToldNorm(nn.Module):
    """A norm that the condition's vector scales and shifts."""

    def __init__(self, dim: int, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm
        self.to_scale_and_shift = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        scale, shift = self.to_scale_and_shift(silu(vector)).chunk(2, -1)
        return torch.addcmul(shift, self.norm(x), 1 + scale)


class GEGLU(nn.Module):
    """down(up x * gelu(gate x)); Shazeer, 2020, arXiv 2002.05202."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.up_and_gate = nn.Linear(dim, 2 * hidden, bias=False)
        self.down = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        up, gate = self.up_and_gate(x).chunk(2, -1)
        out: Tensor = self.down(up * gelu(gate))
        return out


class ToldBlock(nn.Module):
    """Self-attention, attention to the condition, feed-forward, each added to its input; (B, N, D) to (B, N, D)."""

    def __init__(self, style: Style, attends: bool) -> None:
        super().__init__()
        self.norm_1 = ToldNorm(style.dim, style.new_norm())
        self.norm_2 = ToldNorm(style.dim, style.new_norm()) if attends else None
        # In the released code the last of the three is another one.
        self.norm_3 = ToldNorm(style.dim, nn.LayerNorm(style.dim, style.eps, bias=False))
        self.attention = StyledAttention(style)
        self.cross = ToldAttention(style.dim, style.dim, style.heads) if attends else None
        self.feed_forward = GEGLU(style.dim, style.hidden)

    @property
    def attending(self) -> list[tuple[ToldAttention, nn.Module]]:
        """Its attention to the condition, and what first maps the tokens for it."""
        return [] if self.cross is None else [(self.cross, nn.Identity())]

    def forward(self, x: Tensor, context: Context) -> Tensor:
        assert context.vector is not None
        x = x + self.attention(self.norm_1(x, context.vector))
        if self.cross is not None and self.norm_2 is not None:
            x = x + self.cross(self.norm_2(x, context.vector), context)
        after: Tensor = x + self.feed_forward(self.norm_3(x, context.vector))
        return after


class ResponseNorm(nn.Module):
    """Each channel by its share of the length of all, over the whole grid; (B, h, w, C) to (B, h, w, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        length = x.norm(dim=(1, 2), keepdim=True)
        share = length / (length.mean(-1, keepdim=True) + EPS)
        return self.weight * (x * share) + self.bias + x


class ConvBlock(nn.Module):
    """ConvNeXt's block, scaled and shifted by the condition's vector, then attention to its tokens, twice.

    (B, C, h, w) to (B, C, h, w).

    Args:
        channels: C.
        dim: D, of vector and tokens.
        heads: of both attentions.
        attends: whether there are tokens.
    """

    def __init__(self, channels: int, dim: int, heads: int, attends: bool) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.mix = nn.Sequential(
            nn.RMSNorm(channels, EPS),
            nn.Linear(channels, 4 * channels, bias=False),
            nn.GELU(),
            ResponseNorm(4 * channels),
            nn.Linear(4 * channels, channels, bias=False),
        )
        self.to_scale_and_shift = nn.Linear(dim, 2 * channels, bias=False)
        self.mapping = nn.Sequential(nn.SiLU(), nn.Linear(dim, channels, bias=False)) if attends else None
        self.cross_norms = nn.ModuleList(nn.RMSNorm(channels, EPS) for _ in range(2 * attends))
        self.crosses = nn.ModuleList(ToldAttention(channels, channels, heads) for _ in range(2 * attends))

    @property
    def attending(self) -> list[tuple[ToldAttention, nn.Module]]:
        """Its attentions to the condition, and what first maps the tokens for them."""
        return [(cross, self.mapping) for cross in self.crosses]  # type: ignore[misc]

    def forward(self, x: Tensor, context: Context) -> Tensor:
        assert context.vector is not None
        x = x + channels_first(self.mix(channels_last(self.convolution(x))))
        scale, shift = self.to_scale_and_shift(silu(context.vector)).transpose(1, 2).unsqueeze(-1).chunk(2, 1)
        x = torch.addcmul(shift, x, 1 + scale)
        y = in_row(x)
        for norm, cross in zip(self.cross_norms, self.crosses, strict=True):
            y = y + cross(norm(y), context)
        return on_grid(y, (x.shape[2], x.shape[3]))
