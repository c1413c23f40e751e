"""The blocks of published transformers, which differ in a few switches.

Vaswani et al., 2017, arXiv 1706.03762 (post-norm); Xiong et al., 2020, arXiv 2002.04745 (pre-norm); Zhang and Sennrich,
2019, arXiv 1910.07467 (RMS norm); Shazeer, 2020, arXiv 2002.05202 (SwiGLU); Peebles and Xie, 2022, arXiv 2212.09748
(modulation); Henry et al., 2020, arXiv 2010.04245 (norms of queries and keys).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from lightgen.networks.layers import Modulation
from lightgen.networks.rotary import turn


@dataclass(frozen=True)
class Style:
    """How all blocks of a network are built.

    Args:
        dim: D.
        heads, dim_head: of every attention; the inner width is heads * dim_head, whatever D is.
        hidden: width of the feed-forward layers between its two or three linear ones.
        norm: of what, `layer` by mean and deviation, `rms` by the root of the mean square.
        eps: added to the variance in every norm.
        affine: whether norms have weights (and layer norms biases).
        post: whether norms stand behind each half of a block, and not before it.
        bias: of linear layers, but for those of queries, keys and values.
        qkv_bias: of those.
        query_norm: of queries and keys: `full`, RMS over all heads, without weights; or `head`, a layer norm of each.
        feed_forward: `gelu`, `gelu_tanh` or `swiglu`.
        modulated: whether a vector shifts, scales and gates both halves.
        causal: whether later positions are hidden.

    Raises:
        ValueError: if a size is not at least 1.
    """

    dim: int
    heads: int
    dim_head: int
    hidden: int
    norm: Literal["layer", "rms"] = "layer"
    eps: float = 1e-5
    affine: bool = True
    post: bool = False
    bias: bool = True
    qkv_bias: bool = True
    query_norm: Literal["none", "full", "head"] = "none"
    feed_forward: Literal["gelu", "gelu_tanh", "swiglu"] = "gelu"
    modulated: bool = False
    causal: bool = False

    def __post_init__(self) -> None:
        for name in ("dim", "heads", "dim_head", "hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    def new_norm(self, dim: int | None = None) -> nn.Module:
        """A norm of D channels, or of another number."""
        made = nn.RMSNorm if self.norm == "rms" else nn.LayerNorm
        return made(dim or self.dim, eps=self.eps, elementwise_affine=self.affine)

    def new_gelu(self) -> nn.Module:
        """The GELU of the feed-forward layers."""
        return nn.GELU("tanh" if self.feed_forward == "gelu_tanh" else "none")


def style_of(dim: int, heads: int, hidden: int | None = None, **switches: Any) -> Style:
    """The style of blocks of so many heads, which fill D, and a feed-forward width of 4 D where none is given.

    Raises:
        ValueError: if the heads do not divide D, or a size is not at least 1.
    """
    if heads < 1 or dim % heads:
        raise ValueError(f"heads must divide dim, {dim}, and {heads} does not")
    return Style(dim, heads, dim // heads, 4 * dim if hidden is None else hidden, **switches)


class Places(NamedTuple):
    """Where what a causal network reads stands: an index of any table of places."""

    where: slice | Tensor
    """A slice; or (1,) int64, where one recorded step serves for all places."""
    seen: Tensor | None = None
    """(1, length) True up to there, beside a tensor."""


class KeyValues:
    """Keys and values of what one causal layer has read so far, (B, heads, n, d) each.

    Args:
        length: the most that it will read.
    """

    places: Places
    """Of what is read next."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.memory: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """All keys and values, with those of `places` among them, and (1, length) which count; None is all."""
        if self.memory is None:
            batch, heads, _, dim_head = keys.shape
            # Zeros, for what comes later may be read too, and is then multiplied by zero.
            self.memory = keys.new_zeros(2, batch, heads, self.length, dim_head)
        where, seen = self.places
        if isinstance(where, Tensor):
            self.memory.index_copy_(3, where, torch.stack([keys, values]))
            return self.memory[0], self.memory[1], seen
        self.memory[0, :, :, where] = keys
        self.memory[1, :, :, where] = values
        return self.memory[0, :, :, : where.stop], self.memory[1, :, :, : where.stop], None

    def select(self, rows: Tensor) -> KeyValues:
        """Those of some rows."""
        some = copy(self)
        some.memory = None if self.memory is None else self.memory[:, rows]
        return some


class StyledAttention(nn.Module):
    """Every position attends to every position, or to itself and those before it; (B, N, D) to (B, N, D)."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style, self.inner = style, style.heads * style.dim_head
        self.to_qkv = nn.Linear(style.dim, 3 * self.inner, bias=style.qkv_bias)
        self.to_out = nn.Linear(self.inner, style.dim, bias=style.bias)
        per_head = style.query_norm == "head"
        self.query_norm = nn.LayerNorm(style.dim_head, style.eps) if per_head else None
        self.key_norm = nn.LayerNorm(style.dim_head, style.eps) if per_head else None

    def forward(
        self,
        x: Tensor,
        rotation: Tensor | None = None,
        memory: KeyValues | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """What each position makes of the others.

        Args:
            x: (B, n, D).
            rotation: (n, 1, d / 2, 2) cosines and sines, by which queries and keys are turned, two channels at a time.
            memory: of the places before these n, which are added to it; one place at a time, but for the first ones.
                It knows where they stand.
            bias: (B, 1, n, places) added to the attention, in place of hiding later positions; -inf hides.
        """
        qkv = self.to_qkv(x).unflatten(-1, (3, self.inner))
        both, v = qkv[:, :, :2], qkv[:, :, 2].unflatten(-1, (self.style.heads, -1))
        if self.style.query_norm == "full":
            both = rms_norm(both, (self.inner,), eps=self.style.eps)
        q, k = both.unflatten(-1, (self.style.heads, -1)).unbind(2)
        if self.query_norm is not None and self.key_norm is not None:
            q, k = self.query_norm(q), self.key_norm(k)
        if rotation is not None:
            q, k = turn(q, rotation), turn(k, rotation)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        seen = None
        if memory is not None:
            k, v, seen = memory.extend(k, v)
        if bias is not None:
            seen = bias[..., : k.shape[2]].to(q.dtype)
        causal = self.style.causal and bias is None and q.shape[2] > 1
        attended = scaled_dot_product_attention(q, k, v, seen, is_causal=causal)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Sequential):
    """D to the hidden width, GELU, back to D."""

    def __init__(self, style: Style) -> None:
        super().__init__(
            nn.Linear(style.dim, style.hidden, bias=style.bias),
            style.new_gelu(),
            nn.Linear(style.hidden, style.dim, bias=style.bias),
        )


class SwiGLU(nn.Module):
    """down(silu(gate x) * up x)."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.gate = nn.Linear(style.dim, style.hidden, bias=style.bias)
        self.up = nn.Linear(style.dim, style.hidden, bias=style.bias)
        self.down = nn.Linear(style.hidden, style.dim, bias=style.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(silu(self.gate(x)) * self.up(x))
        return out


class StyledBlock(nn.Module):
    """Self-attention and feed-forward, each added to its input."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.post = style.post
        self.norm_1, self.norm_2 = style.new_norm(), style.new_norm()
        self.attention = StyledAttention(style)
        self.feed_forward: nn.Module = (SwiGLU if style.feed_forward == "swiglu" else FeedForward)(style)
        self.modulation = Modulation(style.dim) if style.modulated else None

    def forward(
        self,
        x: Tensor,
        told: Tensor | None = None,
        rotation: Tensor | None = None,
        memory: KeyValues | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """(B, n, D) to (B, n, D).

        Args:
            x: (B, n, D).
            told: (B or 1, n or 1, D) what a modulated block is modulated by.
            rotation, memory, bias: see `StyledAttention`.
        """
        if self.post:
            x = self.norm_1(x + self.attention(x, rotation, memory, bias))
            after: Tensor = self.norm_2(x + self.feed_forward(x))
            return after
        if self.modulation is None:
            x = x + self.attention(self.norm_1(x), rotation, memory, bias)
            return x + self.feed_forward(self.norm_2(x))
        shift, scale, gate, shift_2, scale_2, gate_2 = self.modulation(told).chunk(6, -1)
        y = self.attention(modulated(self.norm_1(x), shift, scale), rotation, memory, bias)
        x = torch.addcmul(x, gate, y)
        return torch.addcmul(x, gate_2, self.feed_forward(modulated(self.norm_2(x), shift_2, scale_2)))


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (1 + scale) + shift."""
    return torch.addcmul(shift, x, 1 + scale)


def multiple_of_256(width: float) -> int:
    """The least multiple of 256 that is at least as large: how wide LLaMA's feed-forward layers are."""
    return -256 * (-int(width) // 256)


def draw_weights(network: nn.Module, std: float = 0.02) -> None:
    """Normal weights and no biases in linear layers and tables, as GPT-2 has it; modulations stay zero.

    Radford et al., 2019, "Language models are unsupervised multitask learners".
    """
    kept = {layer for module in network.modules() if isinstance(module, Modulation) for layer in module.modules()}
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)) and module not in kept:
            nn.init.normal_(module.weight, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)


def fixed(module: nn.Module, name: str, make: Callable[[], Tensor]) -> None:
    """A buffer that follows from the sizes: it has its numbers also where the module is made without any weights."""
    with torch.device("cpu"):
        module.register_buffer(name, make(), persistent=False)
