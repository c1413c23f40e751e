"""VQ-GANs of taming-transformers and latent-diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from lightgen.importers.keys import Architecture, KeyMap
from lightgen.importers.vqgan_importer import ConfiguredVQGANImporter
from lightgen.quantizers.base import Quantizer
from lightgen.quantizers.codebook import Codebook, GumbelCodebook

INNER = {"skip": ("nin_shortcut",), "to_qkv": ("q", "k", "v"), "to_out": ("proj_out",)}
CLASSIFIER = "quantize.proj.weight"
"""Only the Gumbel quantizer has it."""
FIXED = {
    "double_z": False, "tanh_out": False, "give_pre_end": False, "resamp_with_conv": True, "use_linear_attn": False,
}  # fmt: skip
"""Settings that change what is computed, and the values lightgen computes with; not all of them show in the weights."""


class Taming(ConfiguredVQGANImporter):
    """VQ-GANs of taming-transformers, also with a Gumbel quantizer, alone or inside a transformer's file."""

    name: ClassVar[str] = "taming"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"
    marks: ClassVar[tuple[str, ...]] = (
        "encoder.mid.block_1.conv1.weight",
        "first_stage_model.encoder.mid.block_1.conv1.weight",
    )
    inside: ClassVar[str] = "first_stage_model."
    # The discriminator and the perceptual network, and averages for evaluation in training.
    dropped: ClassVar[tuple[str, ...]] = ("loss.", "model_ema.")
    keys = KeyMap(
        down="encoder.down.{level}.block.{block}",
        down_attention="encoder.down.{level}.attn.{block}",
        downsample="encoder.down.{level}.downsample.conv",
        up="decoder.up.{level}.block.{block}",
        up_attention="decoder.up.{level}.attn.{block}",
        upsample="decoder.up.{level}.upsample.conv",
        middle=("mid.block_1", "mid.block_2"),
        middle_attention="mid.attn_1",
        inner=INNER,
    )

    def quantizer(self, a: Architecture, tensors: Mapping[str, Tensor]) -> Quantizer:
        return (GumbelCodebook if CLASSIFIER in tensors else Codebook)(a.vocab_size, a.dim)

    def quantizer_keys(self, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        if CLASSIFIER not in tensors:
            return super().quantizer_keys(tensors)
        return {
            "codes": "quantize.embed.weight",
            "projection.weight": CLASSIFIER,
            "projection.bias": "quantize.proj.bias",
        }

    def configured(self, settings: Any) -> Architecture:
        params = settings["model"]["params"]
        params = params.get("first_stage_config", {}).get("params", params)
        sizes = params["ddconfig"]
        for name, value in FIXED.items():
            if sizes.get(name, value) != value:
                raise ValueError(f"{name} must be {value}, not {sizes[name]}")
        if params.get("remap"):
            raise ValueError(f"remap must be null, not {params['remap']}: ids would not be those of the codebook")
        if sizes["in_channels"] != sizes["out_ch"]:
            raise ValueError(f"in_channels and out_ch must be equal, not {sizes['in_channels']} and {sizes['out_ch']}")
        multipliers = tuple(sizes["ch_mult"])
        resolutions = [sizes["resolution"] // 2**level for level in range(len(multipliers))]
        return Architecture(
            channels=sizes["in_channels"],
            width=sizes["ch"],
            multipliers=multipliers,
            num_res_blocks=sizes["num_res_blocks"],
            latent_channels=sizes["z_channels"],
            vocab_size=params["n_embed"],
            dim=params["embed_dim"],
            attention_levels=frozenset(
                level for level, resolution in enumerate(resolutions) if resolution in sizes["attn_resolutions"]
            ),
            middle_attention=sizes.get("attn_type", "vanilla") != "none",
            image_size=sizes["resolution"],
        )


class LatentDiffusion(Taming):
    """VQ-GANs of latent-diffusion, alone or inside a diffusion model's file."""

    name: ClassVar[str] = "ldm"
    # Its files look like those of taming-transformers.
    marks: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = "Rombach et al., 2022, arXiv 2112.10752"
