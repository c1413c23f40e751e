"""The original MaskGIT: BERT on the ids of codes, classes and MASK, under the names of flax."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from safetensors.torch import save_file

from peers.base import Peer, attend, embed


class MaskGITTransformer(Peer):
    kind = "maskgit-transformer"
    options = ("--num_classes", "7")
    num_classes = 7
    has_null = False
    file = "maskgit_imagenet256.safetensors"
    published: ClassVar = {
        name: ({"vocab_size": 1024, "num_classes": 1000, "grid": (side, side), "dim": 768, "depth": 24, "heads": 16},
               millions)
        for name, side, millions in (("imagenet256", 16, 172.5), ("imagenet512", 32, 173.1))
    }  # fmt: skip

    @property
    def idle(self):
        """The last bias of MASK and of classes."""
        return self.num_classes + 1

    def dense(self, name, x, *out):
        """The kernel's first axes are those of x."""
        width = math.prod(x.shape[2:])
        kernel = self.tensor(f"{name}.kernel", *x.shape[2:], *out, spread=1.5 * width**-0.5)
        y = x.flatten(2) @ kernel.reshape(width, -1)
        return y.unflatten(-1, out) + self.tensor(f"{name}.bias", *out, spread=0.3)

    def norm(self, name, x):
        x = x - x.mean(-1, keepdim=True)
        scale = self.tensor(f"{name}.scale", self.dim, mean=1.0, spread=0.3)
        deviation = (x.square().mean(-1, keepdim=True) + 1e-12).sqrt()
        return x / deviation * scale + self.tensor(f"{name}.bias", self.dim, spread=0.3)

    def logits(self, ids, label):
        rows = self.vocab_size + self.num_classes + 1
        words = self.tensor("Embed_0.word_embeddings.embedding", rows, self.dim)
        # MASK is -1, and numpy counts that from the end.
        ids = torch.where(ids == self.vocab_size, rows - 1, ids)
        x = embed(words, torch.cat([self.vocab_size + label[:, None], ids], 1))
        x = x + self.tensor("Embed_0.position_embeddings.embedding", 1 + self.num_tokens, self.dim)
        x = self.norm("Embed_0.embeddings_ln", x)
        for i in range(self.depth):
            x = self.layer(f"TransformerLayer_{i}", x)
        x = gelu(self.dense("MlmLayer_0.mlm_dense", x, self.dim))
        x = self.norm("MlmLayer_0.mlm_ln", x) @ words.T + self.tensor("MlmLayer_0.mlm_bias.bias", rows)
        return x[:, 1:, : self.vocab_size]

    def layer(self, name, x):
        attention, split = f"{name}.Attention_0.self_attention", (self.heads, self.dim // self.heads)
        q, k, v = (self.dense(f"{attention}.{part}", x, *split).flatten(2) for part in ("query", "key", "value"))
        y = attend(q, k, v, self.heads).unflatten(-1, split)
        x = self.norm(f"{name}.Attention_0.attention_output_ln", x + self.dense(f"{attention}.out", y, self.dim))
        y = gelu(self.dense(f"{name}.Mlp_0.intermediate_output", x, 4 * self.dim))
        return self.norm(f"{name}.Mlp_0.layer_output_ln", x + self.dense(f"{name}.Mlp_0.layer_output", y, self.dim))

    def generate(self, label, uniforms, steps=8, choice_temperature=4.5):
        ids = torch.full((len(label), self.num_tokens), self.vocab_size)
        for step in range(steps):
            ratio, unknown = (step + 1) / steps, ids == self.vocab_size
            probabilities = self.logits(ids, label).softmax(-1)
            token, choice = uniforms(step)
            cumulative = probabilities.cumsum(-1)
            drawn = (cumulative < token[..., None] * cumulative[..., -1:]).sum(-1)
            confidence = probabilities.gather(-1, drawn[..., None])[..., 0].log()
            confidence = torch.where(unknown, confidence, math.inf)
            confidence = confidence - choice_temperature * (1 - ratio) * (-choice.double().log()).log()
            drawn = torch.where(unknown, drawn, ids)
            left = math.floor(self.num_tokens * math.cos(ratio * math.pi / 2))
            left = max(1, min(int(unknown[0].sum()) - 1, left))
            cut = confidence.sort(-1).values[:, left : left + 1]
            ids = torch.where(confidence < cut, self.vocab_size, drawn) if step < steps - 1 else drawn
        return ids

    def save(self, folder):
        path = folder / self.file
        save_file({"params/" + name.replace(".", "/"): tensor for name, tensor in self.tensors.items()}, path)
        return path


def gelu(x):
    return torch.nn.functional.gelu(x, approximate="tanh")
