"""`VQModel` of diffusers: a folder of config.json and diffusion_pytorch_model.safetensors."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from lightgen.importers.keys import Architecture, KeyMap
from lightgen.importers.vqgan_importer import ConfiguredVQGANImporter

CONFIG = "config.json"
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
FIXED = {"_class_name": "VQModel", "norm_num_groups": 32, "norm_type": "group"}
ACTIVATIONS = ("silu", "swish")
ATTENTION = {"DownEncoderBlock2D": False, "AttnDownEncoderBlock2D": True,
             "UpDecoderBlock2D": False, "AttnUpDecoderBlock2D": True}  # fmt: skip
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Of attention layers in files of older versions."""


class Diffusers(ConfiguredVQGANImporter):
    """`VQModel` of diffusers with group norm: a folder, or a file with config.json beside it."""

    name: ClassVar[str] = "diffusers"
    source: ClassVar[str] = "von Platen et al., 2022, github.com/huggingface/diffusers"
    marks: ClassVar[tuple[str, ...]] = ("encoder.down_blocks.0.resnets.0.conv1.weight",)
    keys = KeyMap(
        down="encoder.down_blocks.{level}.resnets.{block}",
        down_attention="encoder.down_blocks.{level}.attentions.{block}",
        downsample="encoder.down_blocks.{level}.downsamplers.0.conv",
        up="decoder.up_blocks.{step}.resnets.{block}",
        up_attention="decoder.up_blocks.{step}.attentions.{block}",
        upsample="decoder.up_blocks.{step}.upsamplers.0.conv",
        middle=("mid_block.resnets.0", "mid_block.resnets.1"),
        middle_attention="mid_block.attentions.0",
        norm_out="conv_norm_out",
        inner={
            "skip": ("conv_shortcut",),
            "norm": ("group_norm",),
            "to_qkv": ("to_q", "to_k", "to_v"),
            "to_out": ("to_out.0",),
        },
    )

    def file(self, weights: Path) -> Path:
        if not weights.is_dir():
            return weights
        there = [weights / name for name in FILES if (weights / name).is_file()]
        if not there:
            raise ValueError(f"there is no {' or '.join(FILES)} in {weights}")
        return there[0]

    def config_file(self, weights: Path) -> Path | None:
        beside = weights.with_name(CONFIG)
        return self.config or (beside if beside.is_file() else None)

    def select(self, keys: Iterable[str]) -> dict[str, str]:
        return {_modern(key): key for key in keys}

    def configured(self, settings: Any) -> Architecture:
        for name, value in FIXED.items():
            if settings.get(name, value) != value:
                raise ValueError(f"{name} must be {value}, not {settings[name]}")
        if settings.get("act_fn", "silu") not in ACTIVATIONS:
            raise ValueError(f"act_fn must be one of {', '.join(ACTIVATIONS)}, not {settings['act_fn']}")
        channels, channels_out = settings["in_channels"], settings["out_channels"]
        if channels != channels_out:
            raise ValueError(f"in_channels and out_channels must be equal, not {channels} and {channels_out}")
        widths, types = settings["block_out_channels"], (settings["down_block_types"], settings["up_block_types"])
        unknown = [block for both in types for block in both if block not in ATTENTION]
        if unknown:
            raise ValueError(f"there is no block {unknown[0]}, only {', '.join(ATTENTION)}")
        down, up = ([ATTENTION[block] for block in blocks] for blocks in types)
        if down != up[::-1]:
            raise ValueError("encoder and decoder must have attention at the same levels")
        if any(width % widths[0] for width in widths):
            raise ValueError(f"block_out_channels must be multiples of the first, not {widths}")
        return Architecture(
            channels=channels,
            width=widths[0],
            multipliers=tuple(width // widths[0] for width in widths),
            num_res_blocks=settings["layers_per_block"],
            latent_channels=settings["latent_channels"],
            vocab_size=settings["num_vq_embeddings"],
            dim=settings.get("vq_embed_dim") or settings["latent_channels"],
            attention_levels=frozenset(level for level, attention in enumerate(down) if attention),
            middle_attention=settings.get("mid_block_add_attention", True),
            image_size=settings.get("sample_size"),
            # The models that decode from the codebook itself (aMUSEd, arXiv 2401.01808) have pixels in [0, 1].
            pixel_range=(0.0, 1.0) if settings.get("lookup_from_codebook") else None,
        )


def _modern(key: str) -> str:
    place, _, rest = key.rpartition(".attentions.")
    number, _, inner = rest.partition(".")
    head, _, leaf = inner.rpartition(".")
    return f"{place}.attentions.{number}.{OLD_NAMES[head]}.{leaf}" if place and head in OLD_NAMES else key
