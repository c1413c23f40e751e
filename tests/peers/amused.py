"""aMUSEd: convolution blocks around a transformer, told by a text and five numbers."""

from __future__ import annotations

import json
import math
from typing import ClassVar

import torch
from torch.nn import functional as F

from peers import texts
from peers.base import Peer, attend, embed, silu


class Amused(Peer):
    kind = "amused"
    captions = texts.CAPTIONS
    num_classes = len(captions)
    file = "transformer/diffusion_pytorch_model.safetensors"
    rows = 56
    """Of the table of tokens: MASK is the last one."""
    width, length = 16, 77
    """Of what CLIP says of a text."""
    channels, channel_heads, convolutions, hidden = 24, 3, 2, 40
    shrinks = True
    """Half the rows and columns in the transformer, as for pictures of 512 px."""
    published: ClassVar = {
        name: ({"vocab_size": 8192, "rows": 8256, "grid": (side, side), "dim": 1024, "depth": 22, "heads": 16,
                "width": 768, "channels": 768, "channel_heads": 12, "convolutions": 3, "hidden": 2816,
                "shrinks": shrinks}, millions)
        for name, side, shrinks, millions in (("amused-256", 16, False, 603.5), ("amused-512", 32, True, 608.3))
    }  # fmt: skip

    @property
    def idle(self):
        """Rows between the codes and MASK. Of lightgen's, the features of nothing are in no file."""
        return (self.rows - self.vocab_size - 1) * self.channels - (1 + self.length) * self.width

    def logits(self, ids, label):
        told = self.told(label)
        text = self.rms_norm("encoder_proj_layer_norm", self.linear("encoder_proj", told[:, 1:], self.dim, False), 1e-6)
        numbers = torch.tensor([16.0 * self.grid[1], 16.0 * self.grid[0], 0, 0, 6])
        angles = numbers[:, None] * torch.exp(-math.log(10_000) * torch.arange(128) / 128)
        waves = torch.cat([angles.cos(), angles.sin()], 1).flatten().expand(len(label), -1)
        vector = silu(self.linear("cond_embed.linear_1", torch.cat([told[:, 0], waves], 1), self.dim, False))
        vector = silu(self.linear("cond_embed.linear_2", vector, self.dim, False))[:, None]

        table = self.tensor("embed.embeddings.weight", self.rows, self.channels)
        x = embed(table, torch.where(ids == self.vocab_size, self.rows - 1, ids)).unflatten(1, self.grid)
        x = self.pointwise("embed.conv", self.rms_norm("embed.layer_norm", x, 1e-6), self.channels)
        if self.shrinks:
            weight = self.kernel("down_block.downsample.conv.weight")
            x = self.rms_norm("down_block.downsample.norm", x, 1e-6).permute(0, 3, 1, 2)
            x = F.conv2d(x, weight, stride=2).permute(0, 2, 3, 1)
        x = self.convolved("down_block", x, text, vector)
        y = self.linear("project_to_hidden", self.rms_norm("project_to_hidden_norm", x, 1e-6), self.dim, False)
        y = y.flatten(1, 2)
        for i in range(self.depth):
            y = self.block(f"transformer_layers.{i}", y, text, vector)
        y = self.rms_norm("project_from_hidden_norm", y, 1e-6)
        x = self.linear("project_from_hidden", y, self.channels, False).unflatten(1, x.shape[1:3])
        x = self.convolved("up_block", x, text, vector)
        if self.shrinks:
            weight = self.kernel("up_block.upsample.conv.weight")
            x = self.rms_norm("up_block.upsample.norm", x, 1e-6).permute(0, 3, 1, 2)
            x = F.conv_transpose2d(x, weight, stride=2).permute(0, 2, 3, 1)
        x = self.rms_norm("mlm_layer.layer_norm", self.pointwise("mlm_layer.conv1", x, self.channels), 1e-6)
        return self.pointwise("mlm_layer.conv2", x, self.vocab_size).flatten(1, 2)

    def told(self, label):
        """(B, 1 + length, width) of texts by number, where the last is empty."""
        if self.generator is None:
            return torch.zeros(len(label), 1 + self.length, self.width)
        found = [texts.clip_states((*self.captions, "")[i], self.width, self.length) for i in label.tolist()]
        return torch.stack([torch.cat([whole[None], states]) for whole, states in found])

    def kernel(self, name):
        return self.tensor(name, self.channels, self.channels, 2, 2, spread=0.5 * self.channels**-0.5)

    def pointwise(self, name, x, out):
        weight = self.tensor(f"{name}.weight", out, x.shape[-1], 1, 1, spread=1.5 * x.shape[-1] ** -0.5)
        return x @ weight.flatten(1).T

    def convolved(self, name, x, text, vector):
        c = self.channels
        for i in range(self.convolutions):
            part = f"{name}.res_blocks.{i}"
            kernel = self.tensor(f"{part}.depthwise.weight", c, 1, 3, 3, spread=0.5)
            y = F.conv2d(x.permute(0, 3, 1, 2), kernel, padding=1, groups=c).permute(0, 2, 3, 1)
            y = self.linear(f"{part}.channelwise_linear_1", self.rms_norm(f"{part}.norm", y, 1e-6), 4 * c, False)
            y = F.gelu(y)
            length = y.square().sum((1, 2), keepdim=True).sqrt()
            gain = length / (length.mean(-1, keepdim=True) + 1e-6)
            gamma = self.tensor(f"{part}.channelwise_norm.gamma", 1, 1, 1, 4 * c, spread=0.3)
            beta = self.tensor(f"{part}.channelwise_norm.beta", 1, 1, 1, 4 * c, spread=0.3)
            x = x + self.linear(f"{part}.channelwise_linear_2", gamma * (y * gain) + beta + y, c, False)
            scale, shift = self.linear(f"{part}.cond_embeds_mapper", vector, 2 * c, False)[:, None].chunk(2, -1)
            x = x * (1 + scale) + shift
            part, size = f"{name}.attention_blocks.{i}", x.shape[1:3]
            source = self.linear(f"{part}.kv_mapper", silu(text), c, False)
            y = x.flatten(1, 2)
            for number in (1, 2):
                normed = self.rms_norm(f"{part}.norm{number}", y, 1e-6)
                y = y + self.attention(f"{part}.attn{number}", normed, source, self.channel_heads)
            x = y.unflatten(1, size)
        return x

    def block(self, name, x, text, vector):
        y = self.modulated(f"{name}.norm1", x, vector)
        x = x + self.attention(f"{name}.attn1", y, y, self.heads)
        x = x + self.attention(f"{name}.attn2", self.modulated(f"{name}.norm2", x, vector), text, self.heads)
        centred = x - x.mean(-1, keepdim=True)
        y = self.modulated(f"{name}.norm3", centred, vector)
        up, gate = self.linear(f"{name}.ff.net.0.proj", y, 2 * self.hidden, False).chunk(2, -1)
        return x + self.linear(f"{name}.ff.net.2", up * F.gelu(gate), self.dim, False)

    def modulated(self, name, x, vector):
        scale, shift = self.linear(f"{name}.linear", vector, 2 * x.shape[-1], False).chunk(2, -1)
        return self.rms_norm(f"{name}.norm", x, 1e-6) * (1 + scale) + shift

    def attention(self, name, x, source, heads):
        q = self.linear(f"{name}.to_q", x, x.shape[-1], False)
        k, v = (self.linear(f"{name}.to_{part}", source, x.shape[-1], False) for part in "kv")
        return self.linear(f"{name}.to_out.0", attend(q, k, v, heads), x.shape[-1], False)

    def generate(self, label, uniforms):
        """The released scheduler: the noise of the choice falls from 2 at the first step to 0 at the last."""
        nothing, num, steps = torch.full_like(label, self.num_classes), self.num_tokens, 12
        ids = torch.full((len(label), num), self.vocab_size)
        for i in range(steps):
            towards, away = self.logits(ids, label), self.logits(ids, nothing)
            probs = (away + 10 * (towards - away)).softmax(-1)
            token, choice = uniforms(i)
            drawn = (probs.cumsum(-1) > token[..., None]).double().argmax(-1)
            masked = ids == self.vocab_size
            ids = torch.where(masked, drawn, ids)
            sure = probs.gather(-1, ids[..., None])[..., 0].log() - (2 - 2 * i / (steps - 1)) * (-choice.log()).log()
            sure = sure.masked_fill(~masked, torch.inf)
            left = max(1, min(math.floor(num * math.cos((i + 1) / steps * math.pi / 2)), int(masked[0].sum()) - 1))
            if i < steps - 1:
                ids = torch.where(sure < sure.sort(-1).values[:, left, None], self.vocab_size, ids)
        return ids

    def save(self, folder):
        from safetensors.torch import save_file

        path = folder / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(self.tensors, path)
        self.save_config(path.parent)
        return path

    def save_config(self, folder):
        config = {"_class_name": "UVit2DModel", "num_attention_heads": self.heads, "sample_size": self.grid[0],
                  "block_num_heads": self.channel_heads, "layer_norm_eps": 1e-6}  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config))

    def beside(self, folder):
        if self.generator is None:
            texts.save_without_weights(
                folder / "clip", hidden_size=self.width, projection_dim=self.width, max_position_embeddings=77
            )
            (folder / "transformer").mkdir()
            self.save_config(folder / "transformer")
        else:
            texts.save(folder / "clip", texts.clip(self.width, self.length), texts.words("</s>", True))
        return ["--text_encoder", str(folder / "clip")]
