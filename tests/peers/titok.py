"""TiTok's generators: BERT, and a U-ViT without BERT's embeddings and head."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch.nn.functional import gelu

from peers.annealed import generate
from peers.base import Peer, attend, embed
from peers.muse_uvit import _UViTBlocks


def arccos(ratio):
    return math.acos(ratio) / (math.pi / 2)


class TiTokBERT(Peer):
    kind = "titok"
    options = ("--heads", "4")
    num_classes = 7
    file = "generator_titok_l32.bin"
    published: ClassVar = {
        name: ({"vocab_size": 4096, "num_classes": 1000, "grid": (1, num), "dim": 768, "depth": 24, "heads": 16}, 177.2)
        for name, num in (("l32", 32), ("b64", 64))
    }

    @property
    def idle(self):
        """The types of tokens, one of which is added to the positions."""
        return 2 * self.dim

    def logits(self, ids, label):
        name, rows = "model.embeddings", self.vocab_size + self.num_classes + 2
        ids = torch.cat([self.vocab_size + 1 + label[:, None], ids], 1)
        x = embed(self.tensor(f"{name}.word_embeddings.weight", rows, self.dim), ids)
        x = x + self.tensor(f"{name}.token_type_embeddings.weight", 2, self.dim)[0]
        x = x + self.tensor(f"{name}.position_embeddings.weight", 1 + self.num_tokens, self.dim)
        x = self.layer_norm(f"{name}.LayerNorm", x, 1e-12)
        for i in range(self.depth):
            x = self.layer(f"model.encoder.layer.{i}", x)
        return self.linear("model.lm_head", x[:, 1:], self.vocab_size)

    def layer(self, name, x):
        q, k, v = (self.linear(f"{name}.attention.self.{p}", x, self.dim) for p in ("query", "key", "value"))
        y = self.linear(f"{name}.attention.output.dense", attend(q, k, v, self.heads), self.dim)
        x = self.layer_norm(f"{name}.attention.output.LayerNorm", x + y, 1e-12)
        y = self.linear(
            f"{name}.output.dense", gelu(self.linear(f"{name}.intermediate.dense", x, 4 * self.dim)), self.dim
        )
        return self.layer_norm(f"{name}.output.LayerNorm", x + y, 1e-12)

    def generate(self, label, uniforms):
        return generate(self, label, uniforms, 8, 9.5, arccos, lambda r: 1 + 4.5 * r, lambda r: 0.5 + 0.8 * (1 - r))

    def contents(self):
        return {**self.tensors, "model.embeddings.position_ids": torch.arange(1 + self.num_tokens)[None]}


class TiTokUViT(_UViTBlocks):
    """On 128 tokens, so that it is sampled as the published one is."""

    kind = "titok"
    options = ("--heads", "4")
    num_classes = 7
    grid = (8, 16)
    file = "generator_titok_s128.bin"
    published: ClassVar = {
        "s128": ({"vocab_size": 4096, "num_classes": 1000, "grid": (1, 128), "dim": 1024, "depth": 21, "heads": 16},
                 295.0),
    }  # fmt: skip

    def logits(self, ids, label):
        table = self.tensor("embeddings.weight", self.vocab_size + self.num_classes + 2, self.dim)
        x = embed(table, torch.cat([self.vocab_size + 1 + label[:, None], ids], 1))
        x = self.blocks(x + self.tensor("pos_embed", 1, 1 + self.num_tokens, self.dim))
        return self.linear("lm_head", x[:, 1:], self.vocab_size)

    def generate(self, label, uniforms):
        def scale(r):
            return 1 + 5.9 * (1 - math.cos(math.pi * r**3)) / 2

        return generate(self, label, uniforms, 64, 2.8, arccos, scale, lambda r: 0.5 + 0.8 * (1 - r))
