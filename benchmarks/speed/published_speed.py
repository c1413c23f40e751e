"""Time of a forward pass of published transformers, over that of plain modules written down from the papers.

At the published base sizes (HaltonMaskGIT 256_base, LlamaGen B, Unleashing transformers), batch 8:

    python benchmarks/speed/published_speed.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from timing import best_seconds
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from lightgen.condition import Condition
from lightgen.conditioners.class_label import ClassLabel
from lightgen.layout import Layout
from lightgen.networks.base import Network
from lightgen.networks.halton_maskgit import HaltonMaskGIT
from lightgen.networks.llama import Llama
from lightgen.networks.mingpt import BidirectionalMinGPT
from lightgen.processes.absorbing import Absorbing
from lightgen.processes.base import Process
from lightgen.processes.causal import Causal

BATCH, GRID, NUM = 8, (16, 16), 256


class RMSNorm(nn.Module):
    def __init__(self, dim: int, weight: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim)) if weight else None

    def forward(self, x: Tensor) -> Tensor:
        y = (x.float() * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-5)).type_as(x)
        return y if self.weight is None else y * self.weight


class Attention(nn.Module):
    def __init__(self, dim: int, heads: int, bias: bool, norm: bool = False, causal: bool = False) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q, self.k, self.v, self.out = (nn.Linear(dim, dim, bias) for _ in range(4))
        self.norm = RMSNorm(dim, weight=False) if norm else nn.Identity()

    def forward(self, x: Tensor, turn: Callable[[Tensor], Tensor] = lambda x: x) -> Tensor:
        batch, num, dim = x.shape
        q, k = (turn(self.norm(part(x)).view(batch, num, self.heads, -1)).transpose(1, 2) for part in (self.q, self.k))
        v = self.v(x).view(batch, num, self.heads, -1).transpose(1, 2)
        y = scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.out(y.transpose(1, 2).reshape(batch, num, dim))


class SwiGLU(nn.Module):
    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.w1, self.w3 = nn.Linear(dim, hidden, False), nn.Linear(dim, hidden, False)
        self.w2 = nn.Linear(hidden, dim, False)

    def forward(self, x: Tensor) -> Tensor:
        return self.w2(silu(self.w1(x)) * self.w3(x))


class Halton(nn.Module):
    def __init__(self, dim: int = 768, depth: int = 12, heads: int = 12, hidden: int = 2048) -> None:
        super().__init__()
        self.tokens, self.classes = nn.Embedding(16385, dim), nn.Embedding(1001, dim)
        self.position, self.register = nn.Embedding(NUM, dim), nn.Embedding(1, dim)
        self.mlp = nn.ModuleList(nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim)) for _ in range(depth))
        self.norms = nn.ModuleList(RMSNorm(dim) for _ in range(2 * depth))
        self.attention = nn.ModuleList(Attention(dim, heads, False, norm=True) for _ in range(depth))
        self.ff = nn.ModuleList(SwiGLU(dim, hidden) for _ in range(depth))
        self.last, self.last_mlp = RMSNorm(dim), nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim))
        self.bias = nn.Parameter(torch.zeros(16385))

    def forward(self, ids: Tensor, label: Tensor) -> Tensor:
        c = self.classes(label)
        x = torch.cat([self.tokens(ids) + self.position.weight, self.register.weight.expand(len(ids), 1, -1)], 1)
        for i, (mlp, attention, ff) in enumerate(zip(self.mlp, self.attention, self.ff, strict=True)):
            g1, b1, a1, g2, b2, a2 = (part.unsqueeze(1) for part in mlp(c).chunk(6, -1))
            x = x + a1 * attention(self.norms[2 * i](x) * (1 + b1) + g1)
            x = x + a2 * ff(self.norms[2 * i + 1](x) * (1 + b2) + g2)
        shift, scale = (part.unsqueeze(1) for part in self.last_mlp(c).chunk(2, -1))
        x = self.last(x[:, :-1]) * (1 + scale) + shift
        return nn.functional.linear(x, self.tokens.weight, self.bias)


class GPT(nn.Module):
    """LlamaGen's."""

    def __init__(self, dim: int = 768, depth: int = 12, heads: int = 12, hidden: int = 2048) -> None:
        super().__init__()
        self.tokens, self.classes = nn.Embedding(16384, dim), nn.Embedding(1001, dim)
        self.norms = nn.ModuleList(RMSNorm(dim) for _ in range(2 * depth))
        self.attention = nn.ModuleList(Attention(dim, heads, False, causal=True) for _ in range(depth))
        self.ff = nn.ModuleList(SwiGLU(dim, hidden) for _ in range(depth))
        self.last, self.head = RMSNorm(dim), nn.Linear(dim, 16384, False)
        self.angles = torch.rand(NUM, 1, dim // heads // 2)

    def turn(self, x: Tensor) -> Tensor:
        a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        cos, sin = self.angles.cos(), self.angles.sin()
        return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(-2).type_as(x)

    def forward(self, ids: Tensor, label: Tensor) -> Tensor:
        x = torch.cat([self.classes(label)[:, None], self.tokens(ids[:, :-1])], 1)
        for i, (attention, ff) in enumerate(zip(self.attention, self.ff, strict=True)):
            x = x + attention(self.norms[2 * i](x), self.turn)
            x = x + ff(self.norms[2 * i + 1](x))
        return self.head(self.last(x))


class MinGPT(nn.Module):
    def __init__(self, dim: int = 512, depth: int = 24, heads: int = 8) -> None:
        super().__init__()
        self.tokens, self.position = nn.Embedding(1025, dim), nn.Parameter(torch.zeros(1, NUM, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2 * depth))
        self.attention = nn.ModuleList(Attention(dim, heads, True) for _ in range(depth))
        self.mlp = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim)) for _ in range(depth)
        )
        self.last, self.head = nn.LayerNorm(dim), nn.Linear(dim, 1024, False)

    def forward(self, ids: Tensor, label: Tensor) -> Tensor:
        x = self.tokens(ids) + self.position
        for i, (attention, mlp) in enumerate(zip(self.attention, self.mlp, strict=True)):
            x = x + attention(self.norms[2 * i](x))
            x = x + mlp(self.norms[2 * i + 1](x))
        return self.head(self.last(x))


def case(kind: type[Network], process: Process, classes: int, **sizes: int) -> Network:
    conditioner = ClassLabel(classes) if classes else None
    return kind(process.interface(Layout(GRID, process.vocab_size), conditioner), **sizes).eval()


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(2)
    base = {"dim": 768, "depth": 12, "heads": 12}
    cases = {
        "HaltonMaskGIT 256_base": (case(HaltonMaskGIT, Absorbing(16384), 1000, **base), Halton()),
        "LlamaGen B": (case(Llama, Causal(16384), 1000, **base), GPT()),
        "Unleashing": (case(BidirectionalMinGPT, Absorbing(1024), 0, dim=512, depth=24, heads=8), MinGPT()),
    }
    print("network                    plain ms    lightgen ms   ratio")
    for name, (network, plain) in cases.items():
        ids, label = torch.randint(1024, (BATCH, NUM)), torch.arange(BATCH)
        condition = Condition({"label": label} if network.conditioner is not None else {})
        context = network.context(condition, BATCH)
        before, now = best_seconds(partial(plain.eval(), ids, label), partial(network, ids, None, context), rounds=3)
        print(f"{name:24s} {before * 1e3:10.0f} {now * 1e3:14.0f} {now / before:7.3f}", flush=True)


if __name__ == "__main__":
    main()
