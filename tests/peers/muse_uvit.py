"""MUSE-Pytorch: a U-ViT between BERT's embeddings and BERT's head."""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from peers.annealed import generate
from peers.base import Peer, attend, embed


class _UViTBlocks(Peer):
    """What every U-ViT has; `depth` counts all blocks."""

    depth = 5

    def blocks(self, x):
        given = []
        for i in range(self.depth // 2):
            x = self.block(f"in_blocks.{i}", x)
            given.append(x)
        x = self.block("mid_block", x)
        for i in range(self.depth // 2):
            joined = torch.cat([x, given.pop()], -1)
            x = self.block(f"out_blocks.{i}", self.linear(f"out_blocks.{i}.skip_linear", joined, self.dim))
        return self.layer_norm("norm", x, 1e-5)

    def block(self, name, x):
        y = self.layer_norm(f"{name}.norm1", x, 1e-5)
        q, k, v = self.linear(f"{name}.attn.qkv", y, 3 * self.dim, bias=False).chunk(3, -1)
        x = x + self.linear(f"{name}.attn.proj", attend(q, k, v, self.heads), self.dim)
        y = self.linear(f"{name}.mlp.fc1", self.layer_norm(f"{name}.norm2", x, 1e-5), 4 * self.dim)
        return x + self.linear(f"{name}.mlp.fc2", torch.nn.functional.gelu(y), self.dim)


class MUSEUViT(_UViTBlocks):
    kind = "muse-uvit"
    options = ("--heads", "4", "--num_classes", "7")
    num_classes = 7
    file = "nnet_ema.pth"
    published: ClassVar = {
        "imagenet256-450000": ({"vocab_size": 1024, "num_classes": 1000, "grid": (16, 16), "dim": 768, "depth": 13,
                                "heads": 12}, 101.5),
    }  # fmt: skip

    @property
    def idle(self):
        """The last bias of MASK and of classes."""
        return self.num_classes + 2

    def logits(self, ids, label):
        rows = self.vocab_size + 1 + self.num_classes + 1
        words = self.tensor("token_emb.word_embeddings.weight", rows, self.dim)
        x = embed(words, torch.cat([self.vocab_size + 1 + label[:, None], ids], 1))
        x = x + self.tensor("token_emb.position_embeddings.weight", 1 + self.num_tokens, self.dim)
        x = self.blocks(self.layer_norm("token_emb.LayerNorm", x, 1e-6))
        x = torch.nn.functional.gelu(self.linear("mlm_layer.fc", x, self.dim))
        x = self.layer_norm("mlm_layer.ln", x, 1e-5) @ words.T + self.tensor("mlm_layer.bias", 1, 1, rows)
        return x[:, 1:, : self.vocab_size]

    def generate(self, label, uniforms):
        return generate(self, label, uniforms, 12, 4.5, lambda r: math.cos(r * math.pi / 2), lambda r: 1 + 3 * r)

    def contents(self):
        return {**self.tensors, "token_emb.position_ids": torch.arange(1 + self.num_tokens)[None]}
