"""Pre-norm transformer layers (Vaswani et al., 2017, arXiv 1706.03762; Xiong et al., 2020, arXiv 2002.04745)."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from lightgen.networks.rotary import Rotary


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

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        qkv = self.to_qkv(self.norm(x)).unflatten(-1, (3 * self.heads, -1))
        q, k = rotary(qkv[:, :, : 2 * self.heads]).transpose(1, 2).chunk(2, dim=1)
        v = qkv[:, :, 2 * self.heads :].transpose(1, 2)
        attended = scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        out: Tensor = self.to_out(attended.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Sequential):
    """LayerNorm, D to 4 D, GELU, back to D."""

    def __init__(self, dim: int, multiplier: int = 4) -> None:
        super().__init__(
            nn.LayerNorm(dim), nn.Linear(dim, multiplier * dim), nn.GELU(), nn.Linear(multiplier * dim, dim)
        )


class Block(nn.Module):
    """Self-attention and feed-forward, each added to its input."""

    def __init__(self, dim: int, heads: int, dim_head: int, causal: bool = False) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, heads, dim_head, causal)
        self.feed_forward = FeedForward(dim)

    def forward(self, x: Tensor, rotary: Rotary) -> Tensor:
        x = x + self.attention(x, rotary)
        return x + self.feed_forward(x)


class Stack(nn.Module):
    """A number of blocks on one grid.

    Args:
        depth: number of blocks.
        grid: (h, w).
        dim, heads, dim_head: see `SelfAttention`.
    """

    def __init__(self, depth: int, grid: tuple[int, int], dim: int, heads: int, dim_head: int) -> None:
        super().__init__()
        self.rotary = Rotary(grid, dim_head)
        self.blocks = nn.ModuleList(Block(dim, heads, dim_head) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, self.rotary)
        return x
