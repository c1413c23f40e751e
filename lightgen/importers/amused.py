"""aMUSEd: `UVit2DModel` of diffusers, by text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightgen.conditioners.pooled_text import PooledText
from lightgen.guidance.ramps import ConstantGuidance
from lightgen.importers.diffusers import CONFIG, FILES, Diffusers
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, lasting, require_width, size
from lightgen.importers.renaming import Names, Source
from lightgen.layout import Layout
from lightgen.networks.uvit_2d import UViT2D
from lightgen.pretrained import located
from lightgen.processes.maskgit import MaskGIT as Process
from lightgen.recipe import Recipe
from lightgen.samplers.maskgit import MaskGIT
from lightgen.text_encoders.clip_text import CLIPText
from lightgen.tokenizers.base import Tokenizer

CLIP = "openai/clip-vit-large-patch14"
"""What reads the texts."""
PIXELS = 16
"""Per side of a token."""
STEPS = 12
EPS = 1e-6
SHRINK = ("down_block.downsample.conv", "down_block.downsample.Conv2d_0")
"""What one convolution is called; files may have it under both names."""


def _attention(own: str, theirs: str) -> Names:
    return {
        f"{own}.to_q": f"{theirs}.to_q",
        f"{own}.to_kv": (f"{theirs}.to_k", f"{theirs}.to_v"),
        f"{own}.to_out": f"{theirs}.to_out.0",
    }


def _convolutions(side: str) -> Names:
    own, conv, cross = f"{side}_blocks.{{i}}", f"{side}_block.res_blocks.{{i}}", f"{side}_block.attention_blocks.{{i}}"
    return {
        f"{own}.convolution": f"{conv}.depthwise",
        f"{own}.mix.0": f"{conv}.norm",
        f"{own}.mix.1": f"{conv}.channelwise_linear_1",
        f"{own}.mix.3.weight": Source((f"{conv}.channelwise_norm.gamma",), Tensor.flatten),
        f"{own}.mix.3.bias": Source((f"{conv}.channelwise_norm.beta",), Tensor.flatten),
        f"{own}.mix.4": f"{conv}.channelwise_linear_2",
        f"{own}.to_scale_and_shift": f"{conv}.cond_embeds_mapper",
        f"{own}.mapping.1": f"{cross}.kv_mapper",
        f"{own}.cross_norms.0": f"{cross}.norm1",
        f"{own}.cross_norms.1": f"{cross}.norm2",
        **_attention(f"{own}.crosses.0", f"{cross}.attn1"),
        **_attention(f"{own}.crosses.1", f"{cross}.attn2"),
    }


def _pointwise(key: str) -> Source:
    """A convolution of single cells as a linear layer."""
    return Source((key,), lambda weight: weight.flatten(1))


_LAYER = "transformer_layers.{i}"
NAMES: Names = {
    "enter.0": "embed.layer_norm",
    "enter.1.weight": _pointwise("embed.conv.weight"),
    "down_norm": "down_block.downsample.norm",
    **_convolutions("down"),
    "widen.0": "project_to_hidden_norm",
    "widen.1": "project_to_hidden",
    "blocks.{i}.norm_1.norm": f"{_LAYER}.norm1.norm",
    "blocks.{i}.norm_1.to_scale_and_shift": f"{_LAYER}.norm1.linear",
    "blocks.{i}.attention.to_qkv": tuple(f"{_LAYER}.attn1.to_{part}" for part in "qkv"),
    "blocks.{i}.attention.to_out": f"{_LAYER}.attn1.to_out.0",
    "blocks.{i}.norm_2.norm": f"{_LAYER}.norm2.norm",
    "blocks.{i}.norm_2.to_scale_and_shift": f"{_LAYER}.norm2.linear",
    **_attention("blocks.{i}.cross", f"{_LAYER}.attn2"),
    "blocks.{i}.norm_3.norm": f"{_LAYER}.norm3.norm",
    "blocks.{i}.norm_3.to_scale_and_shift": f"{_LAYER}.norm3.linear",
    "blocks.{i}.feed_forward.up_and_gate": f"{_LAYER}.ff.net.0.proj",
    "blocks.{i}.feed_forward.down": f"{_LAYER}.ff.net.2",
    "narrow.0": "project_from_hidden_norm",
    "narrow.1": "project_from_hidden",
    **_convolutions("up"),
    "up_norm": "up_block.upsample.norm",
    "up": "up_block.upsample.conv",
    "to_logits.0.weight": _pointwise("mlm_layer.conv1.weight"),
    "to_logits.1": "mlm_layer.layer_norm",
    "to_logits.2.weight": _pointwise("mlm_layer.conv2.weight"),
    "conditioner.to_tokens.0": "encoder_proj",
    "conditioner.to_tokens.1": "encoder_proj_layer_norm",
    "conditioner.to_vector.0": "cond_embed.linear_1",
    "conditioner.to_vector.2": "cond_embed.linear_2",
}


class Amused(PriorImporter):
    """aMUSEd, by text, as diffusers has it."""

    name: ClassVar[str] = "amused"
    licence: ClassVar[str] = "on the card of the model"
    source: ClassVar[str] = "Patil et al., 2024, arXiv 2401.01808"
    marks: ClassVar[tuple[str, ...]] = ("mlm_layer.conv2.weight",)

    def __init__(
        self, tokenizer: str | None = None, text_encoder: str | None = None, image_size: int | None = None
    ) -> None:
        """What is in other files; those of a pipeline are found beside the weights.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            text_encoder: a folder of transformers, or a name on the Hub; default: the published one
            image_size: of the square pictures; default: as published
        """
        super().__init__(tokenizer)
        self.text_encoder, self.image_size = text_encoder, image_size

    def file(self, weights: Path) -> Path:
        inner = weights / "transformer"
        return Diffusers().file(inner if inner.is_dir() else weights)

    def _beside(self, weights: Path, name: str) -> str | None:
        """A folder of the pipeline."""
        folder = self.file(weights).resolve().parent.parent / name
        return str(folder) if folder.is_dir() else None

    def stage_one(self, weights: Path, plan: Plan) -> Tokenizer:
        self.tokenizer = self.tokenizer or self._beside(weights, "vqvae")
        if self.tokenizer and plan.num_tokens:
            folder = located(self.tokenizer)
            if any((folder / name).is_file() for name in FILES):
                return Diffusers().tokenizer(folder, plan.num_tokens)
        return super().stage_one(weights, plan)

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        config = self._config(weights)
        vocab_size, channels = size(tensors, "mlm_layer.conv2.weight", 0), size(tensors, "embed.embeddings.weight", 1)
        dim, width = (size(tensors, "encoder_proj.weight", axis) for axis in (0, 1))
        depth, convolutions = depth_of(tensors, f"{_LAYER}."), depth_of(tensors, "down_block.res_blocks.{i}.")
        hidden = size(tensors, f"{_LAYER}.ff.net.2.weight".format(i=0), 1)
        process = Process(vocab_size)
        pixels = self.image_size or PIXELS * config.get("sample_size", 64)
        encoder = CLIPText(lasting(self.text_encoder or self._beside(weights, "text_encoder") or CLIP))
        require_width(encoder, width)
        conditioner = PooledText(encoder, (pixels, pixels, 0, 0, 6))
        heads, channel_heads = config.get("num_attention_heads", 16), config.get("block_num_heads", 12)
        shrink = next((key for key in SHRINK if f"{key}.weight" in tensors), None)

        def make(layout: Layout) -> UViT2D:
            interface, shrinks = process.interface(layout, conditioner), shrink is not None
            return UViT2D(interface, dim, depth, heads, hidden, channels, convolutions, channel_heads, shrinks)

        return Plan(
            make=make,
            names={
                **NAMES,
                "down": shrink or SHRINK[0],
                # MASK is the last of some more rows than there are codes.
                "token.weight": Source(
                    ("embed.embeddings.weight",), lambda table: torch.cat([table[:vocab_size], table[-1:]])
                ),
                "conditioner.null": Source((), encoder.nothing),
            },
            process=process,
            # So tau (1 - t / S) is 2 at the first step and 0 at the last, as in the released code.
            recipe=Recipe(MaskGIT(STEPS, 2 * STEPS / (STEPS - 1)), guidance=ConstantGuidance(10.0)),
            vocab_size=vocab_size,
            num_tokens=(pixels // PIXELS) ** 2,
            unused=tuple(f"{key}.weight" for key in SHRINK),
        )

    def _config(self, weights: Path) -> dict[str, Any]:
        """What no shape tells.

        Raises:
            ValueError: in one line, if there is none, or it asks for something else.
        """
        path = self.file(weights).parent / CONFIG
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise ValueError(f"no shape tells the number of heads: it needs {path}, as diffusers writes it") from None
        if not isinstance(config, dict) or config.get("layer_norm_eps", EPS) != EPS:
            raise ValueError(f"{path} must have layer_norm_eps {EPS}")
        return config
