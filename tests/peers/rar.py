"""RAR."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn.functional import gelu

from peers.base import Peer, attend, embed, silu


class RAR(Peer):
    """Its tables have more rows than tokens, as published."""

    kind = "rar"
    options = ("--heads", "4")
    num_classes = 7
    causal = True
    file = "rar_b.bin"
    hidden = 40
    published: ClassVar = {
        name: ({"vocab_size": 1024, "num_classes": 1000, "grid": (16, 16), "dim": dim, "depth": depth, "heads": 16,
                "hidden": hidden}, millions)
        for name, dim, depth, hidden, millions in (
            ("B", 768, 24, 3072, 260.9), ("L", 1024, 24, 4096, 461.7), ("XL", 1280, 32, 5120, 955.4),
            ("XXL", 1408, 40, 6144, 1498.5),
        )
    }  # fmt: skip

    @property
    def idle(self):
        return (1022 + 1024 + 99) * self.dim

    def logits(self, ids, label):
        rows, num = self.vocab_size + self.num_classes + 2, self.num_tokens
        table = self.tensor("embeddings.weight", rows, self.dim)
        told = embed(table, label + self.vocab_size + 1)[:, None]
        start = self.tensor("cls_token", 1, 1, self.dim).expand(len(ids), 1, -1)
        x = torch.cat([start, told, embed(table, ids)], 1)
        x = x + self.tensor("pos_embed", 1, num + 1024, self.dim)[:, : num + 2]
        target = self.tensor("target_aware_pos_embed", 1, num + 1024, self.dim)[:, 2 : num + 2]
        x = x + torch.cat([torch.zeros(1, 1, self.dim), target, torch.zeros(1, 1, self.dim)], 1)
        c = silu(told + self.tensor("timesteps_embeddings", 1, num + 100, self.dim)[:, : num + 2])
        for i in range(self.depth):
            x = self.block(f"blocks.{i}", x, c)
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-6).sqrt()
        scale, shift = self.linear("adaln_before_head.adaLN_modulation.1", c, 2 * self.dim).chunk(2, -1)
        return self.linear("lm_head", x * (1 + scale) + shift, self.vocab_size)[:, 1:-1]

    def block(self, name, x, c):
        shift, scale, gate, shift_2, scale_2, gate_2 = (
            self.linear(f"{name}.adaLN_modulation.1", c, 6 * self.dim).chunk(6, -1)
        )  # fmt: skip
        y = self.layer_norm(f"{name}.norm1", x, 1e-6) * (1 + scale) + shift
        q, k, v = self.linear(f"{name}.attn.qkv", y, 3 * self.dim).chunk(3, -1)
        q, k = (self.per_head(f"{name}.attn.{part}", y) for part, y in (("q_norm", q), ("k_norm", k)))
        y = attend(q, k, v, self.heads, causal=True)
        x = x + gate * self.linear(f"{name}.attn.proj", y, self.dim)
        y = self.layer_norm(f"{name}.norm2", x, 1e-6) * (1 + scale_2) + shift_2
        y = self.linear(f"{name}.mlp.fc2", gelu(self.linear(f"{name}.mlp.fc1", y, self.hidden)), self.dim)
        return x + gate_2 * y

    def per_head(self, name, x):
        return self.layer_norm(name, x.unflatten(-1, (self.heads, -1)), 1e-6).flatten(2)
