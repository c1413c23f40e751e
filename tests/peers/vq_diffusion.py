"""VQ-Diffusion: by class, where no class is the mean of all or has a row of its own, and without a condition."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch.nn.functional import conv2d

from peers.base import Peer, attend, embed, silu


class VQDiffusion(Peer):
    """Its tables of positions have 32 rows and columns, whatever the grid."""

    kind = "vq-diffusion"
    options = ("--heads", "4")
    num_classes = 7
    num_steps = 20
    learned = False
    file = "imagenet_pretrained.pth"
    hidden = 40
    published: ClassVar = {
        "imagenet": ({"vocab_size": 974, "num_classes": 1000, "grid": (16, 16), "dim": 512, "depth": 24, "heads": 16,
                      "hidden": 2048, "num_steps": 100}, 518.0),
    }  # fmt: skip

    def logits(self, ids, label, step=None):
        step = torch.zeros_like(label) if step is None else step
        x = embed(self.tensor("transformer.content_emb.emb.weight", self.vocab_size + 1, self.dim), ids)
        height, width = (
            self.tensor(f"transformer.content_emb.{a}_emb.weight", 32, self.dim) for a in ("height", "width")
        )
        place = torch.arange(self.num_tokens)
        x = x + height[place // 32] + width[place % 32]
        for i in range(self.depth):
            x = self.block(f"transformer.blocks.{i}", x, step, label)
        return self.linear(
            "transformer.to_logits.1", self.layer_norm("transformer.to_logits.0", x, 1e-5), self.vocab_size
        )

    def block(self, name, x, step, label):
        y = self.adaptive(
            f"{name}.ln1", x, embed(self.tensor(f"{name}.ln1.emb.weight", self.num_steps, self.dim), step)
        )
        q, k, v = (self.linear(f"{name}.attn.{part}", y, self.dim) for part in ("query", "key", "value"))
        x = x + self.linear(f"{name}.attn.proj", attend(q, k, v, self.heads), self.dim)
        y = self.second_norm(f"{name}.ln2", x, label).transpose(1, 2).unflatten(2, self.grid)
        y = self.conv(f"{name}.mlp.conv1", y, self.hidden)
        return x + self.conv(f"{name}.mlp.conv2", y * torch.sigmoid(1.702 * y), self.dim).flatten(2).transpose(1, 2)

    def second_norm(self, name, x, label):
        table = self.tensor(f"{name}.emb.weight", self.num_classes + self.learned, self.dim)
        table = table if self.learned else torch.cat([table, table.mean(0, keepdim=True)])
        return self.adaptive(name, x, embed(table, label))

    def adaptive(self, name, x, vector):
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()
        scale, shift = self.linear(f"{name}.linear", silu(vector)[:, None], 2 * self.dim).chunk(2, -1)
        return x * (1 + scale) + shift

    def conv(self, name, x, out):
        weight = self.tensor(f"{name}.weight", out, x.shape[1], 3, 3, spread=(9 * x.shape[1]) ** -0.5)
        return conv2d(x, weight, self.tensor(f"{name}.bias", out, spread=0.3), padding=1)

    def contents(self):
        beside = {
            "log_at": torch.zeros(20),
            "Lt_count": torch.zeros(20),
            "empty_text_embed": torch.zeros(77, 512).double(),
        }
        ema = {**self.tensors, **beside}
        return {"last_epoch": 3, "model": {f"transformer.{k}": 0 * v for k, v in ema.items()}, "ema": ema,
                "none": {"optimizer": {"state": {}}}}  # fmt: skip


class VQDiffusionLearnedNull(VQDiffusion):
    options = ("--heads", "4", "--learnable_cf", "true")
    learned = True
    file = "imagenet_learnable.pth"
    published: ClassVar = {}


class VQDiffusionUnconditional(VQDiffusion):
    """As the config for FFHQ has it."""

    num_classes = 0
    file = "ffhq.pth"
    published: ClassVar = {
        "ffhq": ({"vocab_size": 1024, "grid": (16, 16), "dim": 512, "depth": 20, "heads": 16, "hidden": 2048,
                  "num_steps": 100}, 411.2),
    }  # fmt: skip

    def second_norm(self, name, x, label):
        return self.layer_norm(name, x, 1e-5)
