"""LlamaGen's GPT, class-conditional."""

from __future__ import annotations

import argparse
from typing import ClassVar

import torch

from peers.base import Peer, attend, embed, silu


class LlamaGen(Peer):
    """Heads of 8: two pairs turn with the row, two with the column."""

    kind = "llamagen-gpt"
    options = ("--heads", "4")
    num_classes = 7
    causal = True
    exports = True
    file = "c2i_B.pt"
    hidden = 40
    published: ClassVar = {
        name: ({"vocab_size": 16384, "num_classes": 1000, "grid": (24, 24), "dim": dim, "depth": depth, "heads": heads,
                "hidden": hidden}, millions)
        for name, dim, depth, heads, hidden, millions in (
            ("B", 768, 12, 12, 2048, 110.9), ("L", 1024, 24, 16, 2816, 342.9), ("XL", 1280, 36, 20, 3584, 774.7),
            ("XXL", 1536, 48, 24, 4096, 1411), ("3B", 3200, 24, 32, 8704, 3097),
        )
    }  # fmt: skip

    def logits(self, ids, label):
        start = embed(self.tensor("cls_embedding.embedding_table.weight", self.num_classes + 1, self.dim), label)
        table = self.tensor("tok_embeddings.weight", self.vocab_size, self.dim)
        x = torch.cat([start[:, None], embed(table, ids[:, :-1])], 1)
        for i in range(self.depth):
            x = self.block(f"layers.{i}", x)
        return self.linear("output", self.rms_norm("norm", x, 1e-5), self.vocab_size, bias=False)

    def block(self, name, x):
        y = self.rms_norm(f"{name}.attention_norm", x, 1e-5)
        q, k, v = self.linear(f"{name}.attention.wqkv", y, 3 * self.dim, bias=False).chunk(3, -1)
        y = attend(self.turned(q), self.turned(k), v, self.heads, causal=True)
        x = x + self.linear(f"{name}.attention.wo", y, self.dim, bias=False)
        y = self.rms_norm(f"{name}.ffn_norm", x, 1e-5)
        gated = silu(self.linear(f"{name}.feed_forward.w1", y, self.hidden, bias=False))
        y = gated * self.linear(f"{name}.feed_forward.w3", y, self.hidden, bias=False)
        return x + self.linear(f"{name}.feed_forward.w2", y, self.dim, bias=False)

    def turned(self, x):
        """Each pair of neighbouring channels by its own angle; the class's by a table of zeros."""
        pairs = self.dim // self.heads // 2
        frequency = 10000.0 ** (-2 * torch.arange(pairs // 2) / pairs)
        row, column = torch.arange(self.num_tokens) // self.grid[1], torch.arange(self.num_tokens) % self.grid[1]
        angle = torch.cat([row[:, None] * frequency, column[:, None] * frequency], 1)
        nothing = torch.zeros(1, pairs)
        cos, sin = (torch.cat([nothing, part])[: x.shape[1], None] for part in (angle.cos(), angle.sin()))
        a, b = x.unflatten(-1, (self.heads, pairs, 2)).unbind(-1)
        return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(2)

    def contents(self):
        return {"model": {**self.tensors, "freqs_cis": torch.zeros(17, 2, 2)}, "optimizer": {"state": {}}, "steps": 5,
                "args": argparse.Namespace(gpt_model="GPT-B")}  # fmt: skip
