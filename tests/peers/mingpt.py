"""minGPT, as taming-transformers and Unleashing transformers have it."""

from __future__ import annotations

from typing import ClassVar

import torch
from published import Published

from peers.base import Peer, attend, embed


class _MinGPT(Peer):
    prefix: ClassVar[str]
    options = ("--heads", "4")

    def blocks(self, x):
        x = x + self.tensor(f"{self.prefix}pos_emb", 1, self.num_tokens, self.dim)
        for i in range(self.depth):
            name = f"{self.prefix}blocks.{i}"
            y = self.layer_norm(f"{name}.ln1", x, 1e-5)
            k, q, v = (self.linear(f"{name}.attn.{part}", y, self.dim) for part in ("key", "query", "value"))
            x = x + self.linear(f"{name}.attn.proj", attend(q, k, v, self.heads, self.causal), self.dim)
            y = self.linear(f"{name}.mlp.0", self.layer_norm(f"{name}.ln2", x, 1e-5), 4 * self.dim)
            x = x + self.linear(f"{name}.mlp.2", y * (1 + torch.erf(y / 2**0.5)) / 2, self.dim)
        x = self.layer_norm(f"{self.prefix}ln_f", x, 1e-5)
        return self.linear(f"{self.prefix}head", x, self.vocab_size, bias=False)

    def contents(self):
        if not self.causal:
            return self.tensors
        mask = torch.ones(1, 1, self.num_tokens, self.num_tokens).tril()
        return {**self.tensors, **{f"{self.prefix}blocks.{i}.attn.mask": mask for i in range(self.depth)}}


class UnleashingAbsorbing(_MinGPT):
    kind = "unleashing"
    prefix = "_denoise_fn."
    file = "absorbing_ema_2000000.th"
    published: ClassVar = {
        "ffhq": ({"vocab_size": 1024, "grid": (16, 16), "dim": 512, "depth": 24, "heads": 8}, 76.8),
    }

    def logits(self, ids, label):
        return self.blocks(embed(self.tensor(f"{self.prefix}tok_emb.weight", self.vocab_size + 1, self.dim), ids))

    def contents(self):
        history = {name: torch.zeros(257) for name in ("Lt_history", "Lt_count", "loss_history")}
        return {**self.tensors, f"{self.prefix}start_tok": torch.zeros(1, 1, self.dim), **history}


class UnleashingAutoregressive(_MinGPT):
    kind = "unleashing"
    prefix = "net."
    causal = True
    file = "autoregressive_ema_2000000.th"
    published: ClassVar = {
        "ffhq": ({"vocab_size": 1024, "grid": (16, 16), "dim": 512, "depth": 24, "heads": 8}, 76.8),
    }

    def logits(self, ids, label):
        start = self.tensor(f"{self.prefix}start_tok", 1, 1, self.dim).expand(len(ids), 1, -1)
        before = embed(self.tensor(f"{self.prefix}tok_emb.weight", self.vocab_size, self.dim), ids[:, :-1])
        return self.blocks(torch.cat([start, before], 1))


class TamingByClass(_MinGPT):
    """Class c is the vector of code c."""

    kind = "taming-gpt"
    prefix = "transformer."
    options = ("--heads", "4", "--num_classes", "7")
    vocab_size = 64
    num_classes = 7
    has_null = False
    causal = True
    brings_tokenizer = True
    file = "last.ckpt"
    published: ClassVar = {
        "cin": ({"vocab_size": 16384, "num_classes": 1000, "grid": (16, 16), "dim": 1536, "depth": 48, "heads": 24},
                1410.6),
    }  # fmt: skip

    def first(self, label):
        return label[:, None]

    def logits(self, ids, label):
        sequence = torch.cat([self.first(label), ids[:, :-1]], 1)
        return self.blocks(embed(self.tensor(f"{self.prefix}tok_emb.weight", self.vocab_size, self.dim), sequence))

    def contents(self):
        stage = Published(dim=6, latent=6)
        stage(torch.zeros(1, 3, 16, 16))
        first = {f"first_stage_model.{name}": tensor for name, tensor in stage.tensors.items()}
        return {"state_dict": {**super().contents(), **first, "first_stage_model.loss.logvar": torch.zeros(())},
                "callbacks": {}, "epoch": 3}  # fmt: skip


class TamingUnconditional(TamingByClass):
    """What is read first is code 0."""

    options = ("--heads", "4", "--num_classes", "0")
    num_classes = 0
    published: ClassVar = {
        "ffhq": ({"vocab_size": 1024, "grid": (16, 16), "dim": 1664, "depth": 24, "heads": 16}, 801.8),
    }

    def first(self, label):
        return torch.zeros_like(label)[:, None]
