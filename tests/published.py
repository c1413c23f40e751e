"""Published VQ-GANs at a small size: their tensors, by the published names, and what is computed from them.

A tensor comes into being, with random values, when the forward pass first asks for it. Nothing here knows lightgen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass
class Published:
    """Taming-transformers' layout; the others are told apart by names."""

    width: int = 32
    multipliers: tuple[int, ...] = (1, 1, 2)
    num_res_blocks: int = 2
    attention: tuple[int, ...] = (2,)
    latent: int = 12
    dim: int = 5
    vocab_size: int = 64
    middle_attention: bool = True
    tensors: dict[str, Tensor] = field(default_factory=dict)
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(7))

    shortcut = "nin_shortcut"
    attention_norm = "norm"
    projections = ("q", "k", "v", "proj_out")
    linear = False
    down = "encoder.down.{level}.block.{block}"
    down_attention = "encoder.down.{level}.attn.{block}"
    downsample = "encoder.down.{level}.downsample.conv"
    up = "decoder.up.{level}.block.{block}"
    up_attention = "decoder.up.{level}.attn.{block}"
    upsample = "decoder.up.{level}.upsample.conv"
    middle = ("mid.block_1", "mid.attn_1", "mid.block_2")
    norm_out = "norm_out"

    def tensor(self, name: str, *shape: int, mean: float = 0.0, spread: float = 1.0) -> Tensor:
        if name not in self.tensors:
            self.tensors[name] = mean + spread * torch.randn(shape, generator=self.generator)
        assert self.tensors[name].shape == shape
        return self.tensors[name]

    def conv(
        self, name: str, x: Tensor, out: int, size: int = 3, stride: int = 1, bias: bool = True,
        mean: float = 0.0, gain: float = 1.0,
    ) -> Tensor:  # fmt: skip
        spread = gain * (x.shape[1] * size**2) ** -0.5
        weight = self.tensor(f"{name}.weight", out, x.shape[1], size, size, spread=spread)
        offset = self.tensor(f"{name}.bias", out, mean=mean, spread=0.1 * gain) if bias else None
        return F.conv2d(x, weight, offset, stride, padding=size // 2 if stride == 1 else 0)

    def norm(self, name: str, x: Tensor) -> Tensor:
        scale = self.tensor(f"{name}.weight", x.shape[1], mean=1.0, spread=0.2)
        return F.group_norm(x, 32, scale, self.tensor(f"{name}.bias", x.shape[1], spread=0.2), eps=1e-6)

    def act(self, name: str, x: Tensor) -> Tensor:
        x = self.norm(name, x)
        return x * torch.sigmoid(x)

    def res(self, name: str, x: Tensor, out: int) -> Tensor:
        h = self.conv(f"{name}.conv1", self.act(f"{name}.norm1", x), out)
        h = self.conv(f"{name}.conv2", self.act(f"{name}.norm2", h), out)
        return h + (x if x.shape[1] == out else self.conv(f"{name}.{self.shortcut}", x, out, 1))

    def attend(self, name: str, x: Tensor) -> Tensor:
        channels = x.shape[1]

        def project(part: str, y: Tensor) -> Tensor:
            shape = (channels, channels) if self.linear else (channels, channels, 1, 1)
            weight = self.tensor(f"{name}.{part}.weight", *shape, spread=channels**-0.5).reshape(channels, channels)
            return torch.einsum("oc,bcn->bon", weight, y) + self.tensor(f"{name}.{part}.bias", channels)[:, None]

        y = self.norm(f"{name}.{self.attention_norm}", x).flatten(2)
        q, k, v = (project(part, y) for part in self.projections[:3])
        weights = torch.softmax(torch.einsum("bcn,bcm->bnm", q, k) / channels**0.5, -1)
        return x + project(self.projections[3], torch.einsum("bnm,bcm->bcn", weights, v)).reshape(x.shape)

    def mid(self, half: str, x: Tensor) -> Tensor:
        first, between, second = (f"{half}.{name}" for name in self.middle)
        x = self.res(first, x, x.shape[1])
        return self.res(second, self.attend(between, x) if self.middle_attention else x, x.shape[1])

    def at(self, template: str, level: int, block: int = 0) -> str:
        return template.format(level=level, step=len(self.multipliers) - 1 - level, block=block)

    def latents(self, images: Tensor) -> Tensor:
        """What the quantizer gets."""
        h = self.conv("encoder.conv_in", images, self.width)
        for level, multiplier in enumerate(self.multipliers):
            for block in range(self.num_res_blocks):
                h = self.res(self.at(self.down, level, block), h, self.width * multiplier)
                if level in self.attention:
                    h = self.attend(self.at(self.down_attention, level, block), h)
            if level + 1 < len(self.multipliers):
                h = self.conv(self.at(self.downsample, level), F.pad(h, (0, 1, 0, 1)), h.shape[1], stride=2)
        h = self.act(f"encoder.{self.norm_out}", self.mid("encoder", h))
        return self.conv("quant_conv", self.conv("encoder.conv_out", h, self.latent), self.dim, 1)

    def images(self, latents: Tensor) -> Tensor:
        """What comes of quantized latents."""
        h = self.conv("post_quant_conv", latents, self.latent, 1)
        h = self.mid("decoder", self.conv("decoder.conv_in", h, self.width * self.multipliers[-1]))
        for level in reversed(range(len(self.multipliers))):
            for block in range(self.num_res_blocks + 1):
                h = self.res(self.at(self.up, level, block), h, self.width * self.multipliers[level])
                if level in self.attention:
                    h = self.attend(self.at(self.up_attention, level, block), h)
            if level > 0:
                h = self.conv(self.at(self.upsample, level), doubled(h), h.shape[1])
        return self.conv("decoder.conv_out", self.act(f"decoder.{self.norm_out}", h), 3)

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, h, w), and the quantized latents."""
        codes = self.tensor("quantize.embedding.weight", self.vocab_size, self.dim, spread=float(latents.std()))
        ids = torch.cdist(latents.movedim(1, -1).flatten(0, 2), codes).argmin(1)
        ids = ids.reshape(len(latents), *latents.shape[2:])
        return ids, codes[ids].movedim(-1, 1)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, h, w) and reconstructions of images in [-1, 1]."""
        ids, quantized = self.quantize(self.latents(images))
        return ids, self.images(quantized).clamp(-1, 1)


class Gumbel(Published):
    """Taming-transformers with a Gumbel quantizer; the latent is as wide as a code."""

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.conv("quantize.proj", latents, self.vocab_size, 1)
        codes = self.tensor("quantize.embed.weight", self.vocab_size, self.dim)
        ids = logits.argmax(1)
        return ids, codes[ids].movedim(-1, 1)


class Diffusers(Published):
    """`VQModel`: other names, linear attention layers, levels of the decoder counted from the latent."""

    shortcut = "conv_shortcut"
    attention_norm = "group_norm"
    projections = ("to_q", "to_k", "to_v", "to_out.0")
    linear = True
    down = "encoder.down_blocks.{level}.resnets.{block}"
    down_attention = "encoder.down_blocks.{level}.attentions.{block}"
    downsample = "encoder.down_blocks.{level}.downsamplers.0.conv"
    up = "decoder.up_blocks.{step}.resnets.{block}"
    up_attention = "decoder.up_blocks.{step}.attentions.{block}"
    upsample = "decoder.up_blocks.{step}.upsamplers.0.conv"
    middle = ("mid_block.resnets.0", "mid_block.attentions.0", "mid_block.resnets.1")
    norm_out = "conv_norm_out"

    def config(self) -> dict:
        down = [
            "AttnDownEncoderBlock2D" if i in self.attention else "DownEncoderBlock2D"
            for i in range(len(self.multipliers))
        ]
        return {
            "_class_name": "VQModel", "act_fn": "silu", "in_channels": 3, "out_channels": 3,
            "block_out_channels": [self.width * m for m in self.multipliers], "layers_per_block": self.num_res_blocks,
            "down_block_types": down, "up_block_types": [d.replace("DownEn", "UpDe") for d in down[::-1]],
            "latent_channels": self.latent, "vq_embed_dim": self.dim, "num_vq_embeddings": self.vocab_size,
            "sample_size": 16, "norm_num_groups": 32, "mid_block_add_attention": self.middle_attention,
        }  # fmt: skip


class LlamaGen(Published):
    """Codes and latents of length one; attention at the smallest level; levels of the decoder from the latent."""

    down = "encoder.conv_blocks.{level}.res.{block}"
    down_attention = "encoder.conv_blocks.{level}.attn.{block}"
    downsample = "encoder.conv_blocks.{level}.downsample.conv"
    up = "decoder.conv_blocks.{step}.res.{block}"
    up_attention = "decoder.conv_blocks.{step}.attn.{block}"
    upsample = "decoder.conv_blocks.{step}.upsample.conv"
    middle = ("mid.0", "mid.1", "mid.2")

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.tensor("quantize.embedding.weight", self.vocab_size, self.dim)
        codes = codes / codes.norm(dim=1, keepdim=True)
        unit = latents / latents.norm(dim=1, keepdim=True)
        ids = torch.einsum("bdhw,vd->bhwv", unit, codes).argmax(-1)
        return ids, codes[ids].movedim(-1, 1)


class MaskGIT(Published):
    """No attention, no biases in residual blocks, averages down; pixels in [0, 1]; latents as wide as codes."""

    def res(self, name: str, x: Tensor, out: int) -> Tensor:
        h = self.conv(f"{name}.conv1", self.act(f"{name}.norm1", x), out, bias=False)
        h = self.conv(f"{name}.conv2", self.act(f"{name}.norm2", h), out, bias=False)
        return h + (x if x.shape[1] == out else self.conv(f"{name}.nin_shortcut", h, out, 1, bias=False))

    def blocks(self, template: str, x: Tensor, level: int, out: int) -> Tensor:
        for block in range(self.num_res_blocks):
            x = self.res(self.at(template, level, block), x, out)
        return x

    def latents(self, images: Tensor) -> Tensor:
        h = self.conv("encoder.conv_in", (images + 1) / 2, self.width, bias=False)
        for level, multiplier in enumerate(self.multipliers):
            h = self.blocks("encoder.down.{level}.block.{block}", h, level, self.width * multiplier)
            if level + 1 < len(self.multipliers):
                h = F.avg_pool2d(h, 2)
        h = self.blocks("encoder.mid.{block}", h, 0, h.shape[1])
        return self.conv("encoder.conv_out", self.act("encoder.norm_out", h), self.dim, 1)

    def images(self, latents: Tensor) -> Tensor:
        h = self.conv("decoder.conv_in", latents, self.width * self.multipliers[-1])
        h = self.blocks("decoder.mid.{block}", h, 0, h.shape[1])
        for level in reversed(range(len(self.multipliers))):
            h = self.blocks("decoder.up.{level}.block.{block}", h, level, self.width * self.multipliers[level])
            if level > 0:
                h = self.conv(f"decoder.up.{level}.upsample_conv", doubled(h), h.shape[1])
        pixels = self.conv("decoder.conv_out", self.act("decoder.norm_out", h), 3, mean=0.5, gain=0.3)
        return pixels * 2 - 1


class Unleashing(Published):
    """Parts with numbers in place of names, pixels in [0, 1], latents as wide as codes without convolutions between.

    Every residual block has the tensors of a 1x1 convolution, which are used where the number of channels changes.
    """

    number = 0

    def named(self, half: str) -> str:
        self.number += 1
        return f"ae.{half}.blocks.{self.number - 1}"

    def numbered(self, half: str, x: Tensor, out: int) -> Tensor:
        name = self.named(half)
        h = self.conv(f"{name}.conv1", self.act(f"{name}.norm1", x), out)
        h = self.conv(f"{name}.conv2", self.act(f"{name}.norm2", h), out)
        skip = self.conv(f"{name}.conv_out", x, out, 1)
        return h + (x if x.shape[1] == out else skip)

    def level(self, half: str, x: Tensor, level: int) -> Tensor:
        for _ in range(self.num_res_blocks):
            x = self.numbered(half, x, self.width * self.multipliers[level])
            if level in self.attention:
                x = self.attend(self.named(half), x)
        return x

    def mid(self, half: str, x: Tensor) -> Tensor:
        x = self.numbered(half, x, x.shape[1])
        return self.numbered(half, self.attend(self.named(half), x), x.shape[1])

    def latents(self, images: Tensor) -> Tensor:
        self.number = 0
        h = self.conv(self.named("encoder"), (images + 1) / 2, self.width)
        for level in range(len(self.multipliers)):
            h = self.level("encoder", h, level)
            if level + 1 < len(self.multipliers):
                h = self.conv(f"{self.named('encoder')}.conv", F.pad(h, (0, 1, 0, 1)), h.shape[1], stride=2)
        h = self.mid("encoder", h)
        h = self.act(self.named("encoder"), h)
        return self.conv(self.named("encoder"), h, self.dim)

    def images(self, latents: Tensor) -> Tensor:
        self.number = 0
        h = self.conv(self.named("generator"), latents, self.width * self.multipliers[-1])
        h = self.mid("generator", h)
        for level in reversed(range(len(self.multipliers))):
            h = self.level("generator", h, level)
            if level > 0:
                h = self.conv(f"{self.named('generator')}.conv", doubled(h), h.shape[1])
        h = self.act(self.named("generator"), h)
        return self.conv(self.named("generator"), h, 3, mean=0.5, gain=0.3) * 2 - 1

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        ids, quantized = super().quantize(latents)
        self.tensors["ae.quantize.embedding.weight"] = self.tensors["quantize.embedding.weight"]
        return ids, quantized

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found = super().__call__(images)
        self.tensors.pop("quantize.embedding.weight")
        return found


class MaskBit(MaskGIT):
    """VQGAN+: halves by convolution, `up` counts from the latent; the sign of a channel is a bit, the lowest first."""

    def latents(self, images: Tensor) -> Tensor:
        h = self.conv("encoder.conv_in", (images + 1) / 2, self.width, bias=False)
        for level, multiplier in enumerate(self.multipliers):
            h = self.blocks("encoder.down.{level}.res_blocks.{block}", h, level, self.width * multiplier)
            if level + 1 < len(self.multipliers):
                h = self.conv(f"encoder.down.{level}.down_conv", F.pad(h, (0, 1, 0, 1)), h.shape[1], stride=2)
        h = self.blocks("encoder.mid.res_blocks.{block}", h, 0, h.shape[1])
        return self.conv("encoder.conv_out", self.act("encoder.norm_out", h), self.dim, 1)

    def images(self, latents: Tensor) -> Tensor:
        h = self.conv("decoder.conv_in", latents, self.width * self.multipliers[-1])
        h = self.blocks("decoder.mid.res_blocks.{block}", h, 0, h.shape[1])
        for level in reversed(range(len(self.multipliers))):
            h = self.blocks("decoder.up.{step}.res_blocks.{block}", h, level, self.width * self.multipliers[level])
            if level > 0:
                h = self.conv(self.at("decoder.up.{step}.upsample_conv", level), doubled(h), h.shape[1])
        pixels = self.conv("decoder.conv_out", self.act("decoder.norm_out", h), 3, mean=0.5, gain=0.3)
        return pixels * 2 - 1

    def quantize(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        powers = self.tensors.setdefault("quantize.bits_to_indices", 2 ** torch.arange(self.dim, dtype=torch.int32))
        codes = ((torch.arange(2**self.dim)[:, None] & powers) != 0) * 2.0 - 1
        self.tensors["quantize.codebook"] = codes
        ids = ((latents > 0) * powers[:, None, None]).sum(1)
        return ids, codes[ids].movedim(-1, 1)


def doubled(x: Tensor) -> Tensor:
    """Every pixel four times."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def pictures(num: int = 4, size: int = 16) -> Tensor:
    """Images in [-1, 1]."""
    return torch.rand(num, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1
