"""Attention: of tokens to one another, and to those of a condition."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from lightgen.condition import Context


class SelfAttention(nn.Module):
    """Every position attends to every position, or to itself and those before it; (B, N, D) to (B, N, D).

    Args:
        dim: D.
        heads, dim_head: the inner width is heads * dim_head, whatever D is.
        causal: whether later positions are hidden.
    """

    def __init__(self, dim: int, heads: int, dim_head: int, causal: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.causal = causal
        self.norm = nn.LayerNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim)

    def forward(self, x: Tensor, rotary: nn.Module) -> Tensor:
        return self.attend(self.norm(x), rotary)

    def attend(self, x: Tensor, rotary: nn.Module) -> Tensor:
        """The same, of what is normed already."""
        qkv = self.to_qkv(x).unflatten(-1, (3 * self.heads, -1))
        q, k = rotary(qkv[:, :, : 2 * self.heads]).transpose(1, 2).chunk(2, dim=1)
        v = qkv[:, :, 2 * self.heads :].transpose(1, 2)
        attended = attend(q, k, v, causal=self.causal)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class CrossAttention(nn.Module):
    """Every position attends to the L tokens of a condition, and to one that is learned and always there.

    softmax(q k^T / sqrt(d) + b) v, where b is the bias of each token: the logarithm of its weight. At -inf it is as if
    the token were not there, and where none is, the learned one is left. Rombach et al., 2021, arXiv 2112.10752.

    Args:
        dim: D, of the positions and of the tokens.
        heads, dim_head: the inner width is heads * dim_head.
    """

    def __init__(self, dim: int, heads: int, dim_head: int) -> None:
        super().__init__()
        self.heads = heads
        self.place = 0
        """Of this layer in `Context.memory`."""
        self.norm = nn.LayerNorm(dim)
        self.null = nn.Parameter(torch.zeros(1, 1, dim))
        self.to_q = nn.Linear(dim, heads * dim_head, bias=False)
        self.to_kv = nn.Linear(dim, 2 * heads * dim_head, bias=False)
        self.to_out = nn.Linear(heads * dim_head, dim)

    def remember(self, tokens_BLD: Tensor) -> Tensor:
        """(B, 2, heads, L + 1, d): keys and values, those of the learned token first."""
        tokens = torch.cat([self.null.expand(len(tokens_BLD), -1, -1), tokens_BLD], 1)
        return self.to_kv(tokens).unflatten(-1, (2, self.heads, -1)).permute(0, 2, 3, 1, 4).contiguous()

    def forward(self, x: Tensor, context: Context) -> Tensor:
        keys, values = context.memory[self.place].unbind(1)
        q = self.to_q(self.norm(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        bias = told_bias(context, q)
        if context.regions is not None and context.strength is not None:
            bias = painted(context.regions, context.strength, q, keys, bias)
        attended = attend(q, keys, values, bias)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None, causal: bool = False) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v, (B, heads, N, d), in the type of q.

    A CPU has no fast gradient of it in bfloat16, as it has of linear layers: there it is worked out in float32.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or not torch.is_grad_enabled():
        return scaled_dot_product_attention(q, k, v, bias, is_causal=causal)
    with torch.autocast("cpu", enabled=False):
        bias = None if bias is None else bias.float()
        return scaled_dot_product_attention(q.float(), k.float(), v.float(), bias, is_causal=causal).to(q.dtype)


def painted(regions: Tensor, strength: Tensor, q: Tensor, keys: Tensor, bias: Tensor | None) -> Tensor:
    """(B, heads, N, L + 1) added to the attention, of a bias and of w A / sqrt(d), with w = strength max(q k^T).

    "Paint with words" of Balaji et al., 2022, arXiv 2211.01324. The largest product is that of a picture and a head,
    over the tokens that are there, so that a picture does not depend on those beside it; one below 0 counts as 0.

    Args:
        regions: A, (B, N, L).
        strength: (B,).
        q, keys: (B, heads, N, d) and (B, heads, L + 1, d).
        bias: as `told_bias` has it.
    """
    products = q @ keys.transpose(2, 3)
    if bias is not None:
        products = products.masked_fill(bias == -torch.inf, -torch.inf)
    weight = strength.to(q)[:, None, None, None] * products[..., 1:].amax((2, 3), keepdim=True).clamp(min=0)
    raised = weight * pad(regions, (1, 0)).to(q).unsqueeze(1) * q.shape[-1] ** -0.5
    return raised if bias is None else raised + bias


def told_bias(context: Context, like: Tensor) -> Tensor | None:
    """(B, 1, 1, L + 1) added to the attention to what is remembered; nothing for the learned token."""
    return None if context.bias is None else pad(context.bias, (1, 0))[:, None, None].to(like)
