"""LlamaGen's GPT, by class and by text."""

from __future__ import annotations

import argparse
from typing import ClassVar

import torch

from peers import texts
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
    num_places = 1
    """Before the picture."""
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
        return self.continued(start[:, None], ids)

    def continued(self, start, ids, seen=None):
        table = self.tensor("tok_embeddings.weight", self.vocab_size, self.dim)
        x = torch.cat([start, embed(table, ids[:, :-1])], 1)
        for i in range(self.depth):
            x = self.block(f"layers.{i}", x, seen)
        x = self.rms_norm("norm", x[:, start.shape[1] - 1 :], 1e-5)
        return self.linear("output", x, self.vocab_size, bias=False)

    def block(self, name, x, seen):
        y = self.rms_norm(f"{name}.attention_norm", x, 1e-5)
        q, k, v = self.linear(f"{name}.attention.wqkv", y, 3 * self.dim, bias=False).chunk(3, -1)
        y = attend(self.turned(q), self.turned(k), v, self.heads, causal=True, seen=seen)
        x = x + self.linear(f"{name}.attention.wo", y, self.dim, bias=False)
        y = self.rms_norm(f"{name}.ffn_norm", x, 1e-5)
        gated = silu(self.linear(f"{name}.feed_forward.w1", y, self.hidden, bias=False))
        y = gated * self.linear(f"{name}.feed_forward.w3", y, self.hidden, bias=False)
        return x + self.linear(f"{name}.feed_forward.w2", y, self.dim, bias=False)

    def turned(self, x):
        """Each pair of neighbouring channels by its own angle; what stands before the picture by a table of zeros."""
        pairs = self.dim // self.heads // 2
        frequency = 10000.0 ** (-2 * torch.arange(pairs // 2) / pairs)
        row, column = torch.arange(self.num_tokens) // self.grid[1], torch.arange(self.num_tokens) % self.grid[1]
        angle = torch.cat([row[:, None] * frequency, column[:, None] * frequency], 1)
        nothing = torch.zeros(self.num_places, pairs)
        cos, sin = (torch.cat([nothing, part])[: x.shape[1], None] for part in (angle.cos(), angle.sin()))
        a, b = x.unflatten(-1, (self.heads, pairs, 2)).unbind(-1)
        return torch.stack([a * cos - b * sin, b * cos + a * sin], -1).flatten(2)

    def contents(self):
        return {"model": {**self.tensors, "freqs_cis": torch.zeros(17, 2, 2)}, "optimizer": {"state": {}}, "steps": 5,
                "args": argparse.Namespace(gpt_model="GPT-B")}  # fmt: skip


class LlamaGenText(LlamaGen):
    """Features of a text stand before the picture, with padding before them that nobody sees but itself."""

    kind = "llamagen-t2i"
    options = ("--heads", "4")
    captions = texts.CAPTIONS
    num_classes = len(captions)
    file = "t2i_XL_stage.pt"
    num_places, width = 6, 16
    published: ClassVar = {
        "XL": ({"vocab_size": 16384, "num_classes": 0, "grid": (32, 32), "dim": 1280, "depth": 36, "heads": 20,
                "hidden": 3584, "num_places": 120, "width": 2048}, 777.9),
    }  # fmt: skip

    def logits(self, ids, label, shown=None):
        """Of texts by number; none is the learned features, of which those places are seen that texts `shown` fill."""
        null = self.tensor("cls_embedding.uncond_embedding", self.num_places, self.width)
        caption, there = null.repeat(len(label), 1, 1), torch.ones(len(label), self.num_places, dtype=torch.bool)
        # Without numbers, on the meta device, only shapes count.
        asked = [] if self.generator is None else torch.stack([label, label if shown is None else shown], 1).tolist()
        for row, (number, seen) in enumerate(asked):
            if seen == self.num_classes:
                continue
            states = texts.t5_states(self.captions[seen], self.width)
            there[row, : -len(states)] = False
            if number < self.num_classes:
                caption[row, -len(states) :] = states
        hidden = self.linear("cls_embedding.cap_proj.fc1", caption, self.dim, bias=False)
        hidden = torch.nn.functional.gelu(hidden, approximate="tanh")
        start = self.linear("cls_embedding.cap_proj.fc2", hidden, self.dim, bias=False)
        places = torch.arange(self.num_places + self.num_tokens - 1)
        seen = torch.cat([there, torch.ones(len(ids), self.num_tokens - 1, dtype=torch.bool)], 1)
        return self.continued(start, ids, seen[:, None] | (places[:, None] == places))

    def guided(self, ids, label, scale):
        """The released sampler hides of nothing what it hides of the text."""
        towards = self.logits(ids, label)
        away = self.logits(ids, torch.full_like(label, self.num_classes), shown=label)
        return away + scale * (towards - away)

    def beside(self, folder):
        if self.generator is None:
            texts.save_without_weights(folder / "t5", d_model=self.width)
        else:
            texts.save(folder / "t5", texts.t5(self.width), texts.words("<pad>", False))
        return ["--text_encoder", str(folder / "t5")]
