"""Halton-MaskGIT."""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from peers.base import Peer, attend, embed, silu


class HaltonMaskGIT(Peer):
    """Six heads of 5 in a width of 32: the inner width is another one, as in the published small model."""

    kind = "halton-maskgit"
    options = ("--heads", "6")
    num_classes = 7
    exports = True
    file = "ImageNet_256_tiny.pth"
    heads, dim_head, hidden = 6, 5, 40
    published: ClassVar = {
        name: ({"vocab_size": 16384, "num_classes": 1000, "grid": (side, side), "dim": dim, "depth": depth,
                "heads": heads, "dim_head": dim_head, "hidden": hidden}, millions)
        for name, side, dim, depth, heads, dim_head, hidden, millions in (
            ("256_tiny", 16, 384, 6, 6, 64, 1024, 23.03), ("256_small", 16, 512, 12, 6, 85, 1536, 69.34),
            ("256_base", 16, 768, 12, 12, 64, 2048, 142.22), ("384_large", 24, 1024, 24, 16, 64, 2816, 479.98),
        )
    }  # fmt: skip

    def logits(self, ids, label):
        table = self.tensor("tok_emb.weight", self.vocab_size + 1, self.dim)
        x = embed(table, ids) + self.tensor("pos_emb.weight", self.num_tokens, self.dim)
        c = silu(embed(self.tensor("cls_emb.weight", self.num_classes + 1, self.dim), label))[:, None]
        x = torch.cat([x, self.tensor("reg_tokens.weight", 1, self.dim).expand(len(x), 1, -1)], 1)
        for i in range(self.depth):
            x = self.block(f"transformer.layers.{i}", x, c)
        x = self.rms_norm("last_norm.norm_final", x[:, :-1], 1e-5) + self.tensor("last_norm.norm_final.bias", self.dim)
        shift, scale = self.linear("last_norm.mlp.1", c, 2 * self.dim).chunk(2, -1)
        self.tensors["head.weight"] = table
        bias = self.tensor("head.bias", self.vocab_size + 1)
        return ((x * (1 + scale) + shift) @ table.T + bias)[..., : self.vocab_size]

    def block(self, name, x, c):
        inner = self.heads * self.dim_head
        shift, scale, gate, shift_2, scale_2, gate_2 = self.linear(f"{name}.mlp.1", c, 6 * self.dim).chunk(6, -1)
        y = self.rms_norm(f"{name}.ln1", x, 1e-5) * (1 + scale) + shift
        q, k, v = (self.linear(f"{name}.attn.{part}", y, inner, bias=False) for part in ("wq", "wk", "wv"))
        y = attend(self.rms_norm(None, q, 1e-5), self.rms_norm(None, k, 1e-5), v, self.heads)
        x = x + gate * self.linear(f"{name}.attn.wo", y, self.dim, bias=False)
        y = self.rms_norm(f"{name}.ln2", x, 1e-5) * (1 + scale_2) + shift_2
        gated = silu(self.linear(f"{name}.ff.w1", y, self.hidden, bias=False))
        y = gated * self.linear(f"{name}.ff.w3", y, self.hidden, bias=False)
        return x + gate_2 * self.linear(f"{name}.ff.w2", y, self.dim, bias=False)

    def decoded(self, label, scale):
        """Eight steps: cells in the order of the Halton sequence, base 2 for rows, as many as the arccosine says."""
        cells = []
        for n in range(1, 1000):
            row, column = (int(mirrored(n, base) * side) for base, side in zip((2, 3), self.grid, strict=True))
            cell = row * self.grid[1] + column
            cells += [] if cell in cells else [cell]
        ids, done = torch.full((len(label), self.num_tokens), self.vocab_size), 0
        for step in range(8):
            share = 1 - math.acos((step + 1) / 8) / (math.pi / 2)
            count = max(step + 1, int(self.num_tokens * share + 1e-6))
            likeliest = self.guided(ids, label, scale).argmax(-1)
            for cell in cells[done:count]:
                ids[:, cell] = likeliest[:, cell]
            done = count
        return ids

    def contents(self):
        state = {f"module._orig_mod.{name}": tensor for name, tensor in self.tensors.items()}
        optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}}
        return {"iter": 3, "global_epoch": 1, "model_state_dict": state, "optimizer_state_dict": optimizer}


def mirrored(n, base):
    """The digits of a number, mirrored at the point."""
    found, unit = 0.0, 1.0
    while n:
        n, digit = divmod(n, base)
        unit /= base
        found += digit * unit
    return found
