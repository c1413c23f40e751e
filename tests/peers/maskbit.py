"""MaskBit."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn.functional import gelu

from peers.base import Peer, attend, embed


class MaskBit(Peer):
    """Two codes of 4 bits each at a cell."""

    kind = "maskbit"
    options = ("--heads", "4")
    vocab_size = 16
    num_codes = 2
    num_classes = 7
    file = "maskbit_generator_8bit.bin"
    hidden = 40
    published: ClassVar = {
        f"{bits}bit": ({"vocab_size": 2 ** (bits // 2), "num_classes": 1000, "grid": (16, 16), "dim": 1024, "depth": 24,
                        "heads": 16, "hidden": 4096}, 305)
        for bits in (10, 14)
    }  # fmt: skip

    def logits(self, ids, label):
        each = (self.vocab_size - 1).bit_length()
        powers = self.tensors.setdefault("bits_to_indices", 2 ** torch.arange(each, dtype=torch.int32))
        bits = ((ids[..., None] & powers) != 0).float() * 2 - 1
        bits[ids == self.vocab_size] = 0
        x = self.linear("input_proj", bits.reshape(len(ids), -1, self.num_codes * each), self.dim)
        label = embed(self.tensor("class_emb.weight", self.num_classes + 1, self.dim), label)[:, None]
        x = torch.cat([x, label], 1) + self.tensor("pos_emb", 1, x.shape[1] + 1, self.dim)
        x = self.layer_norm("first_layer.0", x, 1e-12)
        for i in range(self.depth):
            x = self.block(f"transformer.layers.{i}", x)
        x = self.layer_norm("last_layer.2", gelu(self.linear("last_layer.0", x, self.dim)), 1e-12)
        x = self.linear("prediction_layer", x, self.num_codes * self.vocab_size)[:, :-1]
        return x.reshape(len(ids), -1, self.vocab_size)

    def block(self, name, x):
        weight = self.tensor(f"{name}.0.mha.in_proj_weight", 3 * self.dim, self.dim, spread=1.5 * self.dim**-0.5)
        q, k, v = (x @ weight.T + self.tensor(f"{name}.0.mha.in_proj_bias", 3 * self.dim, spread=0.3)).chunk(3, -1)
        y = self.linear(f"{name}.0.mha.out_proj", attend(q, k, v, self.heads), self.dim)
        x = self.layer_norm(f"{name}.0.norm", x + y, 1e-12)
        y = self.linear(f"{name}.1.net.2", gelu(self.linear(f"{name}.1.net.0", x, self.hidden)), self.dim)
        return self.layer_norm(f"{name}.1.norm", x + y, 1e-12)
