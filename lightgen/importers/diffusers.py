"""`VQModel` of diffusers: a folder of config.json and diffusion_pytorch_model.safetensors."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from lightgen.importers.base import Importer
from lightgen.importers.layout import Architecture, Layout

FIXED = {"_class_name": "VQModel", "norm_num_groups": 32, "norm_type": "group"}
ACTIVATIONS = ("silu", "swish")
FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
ATTENTION = {"DownEncoderBlock2D": False, "AttnDownEncoderBlock2D": True,
             "UpDecoderBlock2D": False, "AttnUpDecoderBlock2D": True}  # fmt: skip
OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Of attention layers in files of older versions."""


class Diffusers(Importer):
    """Reads `VQModel`, whose attention layers are linear."""

    family: ClassVar[str] = "VQModel of diffusers"
    layout: ClassVar[Layout] = Layout(
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

    def locate(self, weights: Path, config: Path | None) -> tuple[Path, Path | None]:
        folder = weights if weights.is_dir() else weights.parent
        if weights.is_dir():
            there = [folder / name for name in FILES if (folder / name).is_file()]
            if not there:
                raise ValueError(f"there is no {' or '.join(FILES)} in {folder}")
            weights = there[0]
        beside = folder / "config.json"
        return weights, config or (beside if beside.is_file() else None)

    def select(self, names: Iterable[str]) -> dict[str, str]:
        return {_modern(name): name for name in names}

    def configured(self, config: Path) -> Architecture:
        try:
            return _architecture(json.loads(config.read_text()))
        except (OSError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ValueError(f"{config} is no config of one: {reason}") from None


def _modern(name: str) -> str:
    place, _, rest = name.rpartition(".attentions.")
    number, _, inner = rest.partition(".")
    head, _, leaf = inner.rpartition(".")
    return f"{place}.attentions.{number}.{OLD_NAMES[head]}.{leaf}" if place and head in OLD_NAMES else name


def _architecture(settings: dict[str, Any]) -> Architecture:
    for name, value in FIXED.items():
        if settings.get(name, value) != value:
            raise ValueError(f"{name} must be {value}, not {settings[name]}")
    if settings.get("act_fn", "silu") not in ACTIVATIONS:
        raise ValueError(f"act_fn must be one of {', '.join(ACTIVATIONS)}, not {settings['act_fn']}")
    if settings["in_channels"] != settings["out_channels"]:
        raise ValueError(
            f"in_channels and out_channels must be equal, not {settings['in_channels']} and {settings['out_channels']}"
        )
    widths, types = settings["block_out_channels"], (settings["down_block_types"], settings["up_block_types"])
    unknown = [kind for both in types for kind in both if kind not in ATTENTION]
    if unknown:
        raise ValueError(f"there is no block {unknown[0]}, only {', '.join(ATTENTION)}")
    down, up = ([ATTENTION[kind] for kind in kinds] for kinds in types)
    if down != up[::-1]:
        raise ValueError("encoder and decoder must have attention at the same levels")
    if any(width % widths[0] for width in widths):
        raise ValueError(f"block_out_channels must be multiples of the first, not {widths}")
    return Architecture(
        channels=settings["in_channels"],
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
