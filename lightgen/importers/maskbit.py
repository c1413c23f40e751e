"""The priors of MaskBit, and their tokenizers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.conditioners.class_label import ClassLabel
from lightgen.guidance.ramps import PowerCosineGuidance
from lightgen.importers.keys import Architecture, KeyMap
from lightgen.importers.maskgit import MaskGIT as MaskGITTokenizer
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.renaming import Names, Source
from lightgen.networks.maskbit import MaskBit
from lightgen.processes.maskgit import MaskGIT
from lightgen.quantizers.base import Quantizer
from lightgen.quantizers.lfq import LFQ
from lightgen.recipe import Recipe
from lightgen.samplers.maskgit import MaskGIT as MaskGITSampler
from lightgen.schedules import Arccos
from lightgen.tokenizers.maskgit_vqgan import MaskGITVQGAN
from lightgen.tokenizers.quantized import QuantizedAutoencoder

RECIPES = {10: (6.4, 2.5, 10.5), 12: (7.1, 3.0, 8.2), 14: (7.1, 3.0, 7.8), 16: (6.5, 2.5, 7.5), 18: (5.7, 2.5, 8.5)}
"""Scale (of l_c + g (l_c - l_null)) and power of the guidance, and choice temperature, in the released configs of 64
steps, by the bits of a cell.
"""
BITS, CODEBOOK = "quantize.bits_to_indices", "quantize.codebook"

NAMES: Names = {
    "token": "input_proj",
    "conditioner.embedding": "class_emb",
    "cell": Source(("pos_emb",), lambda places: places[0, :-1]),
    "last": Source(("pos_emb",), lambda places: places[0, -1:]),
    "first_norm": "first_layer.0",
    "blocks.{i}.attention.to_qkv.weight": "transformer.layers.{i}.0.mha.in_proj_weight",
    "blocks.{i}.attention.to_qkv.bias": "transformer.layers.{i}.0.mha.in_proj_bias",
    "blocks.{i}.attention.to_out": "transformer.layers.{i}.0.mha.out_proj",
    "blocks.{i}.norm_1": "transformer.layers.{i}.0.norm",
    "blocks.{i}.feed_forward.0": "transformer.layers.{i}.1.net.0",
    "blocks.{i}.feed_forward.2": "transformer.layers.{i}.1.net.2",
    "blocks.{i}.norm_2": "transformer.layers.{i}.1.norm",
    "to_logits.0": "last_layer.0",
    "to_logits.2": "last_layer.2",
    "to_logits.3": "prediction_layer",
}


class MaskBitImporter(PriorImporter):
    """The priors of MaskBit on bits, by class."""

    name: ClassVar[str] = "maskbit"
    licence: ClassVar[str] = "for research purposes only; the code's is Apache-2.0"
    source: ClassVar[str] = "Weber et al., 2024, arXiv 2409.16211"
    marks: ClassVar[tuple[str, ...]] = ("bits_to_indices",)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {(1024, 24): 16}

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        dim, bits = (size(tensors, "input_proj.weight", axis) for axis in (0, 1))
        each = size(tensors, "bits_to_indices", 0)
        if each < 1 or bits % each:
            raise ValueError(f"of another shape: bits_to_indices ({each},), where {bits} bits are read")
        vocab_size, num_codes = 2**each, bits // each
        depth = depth_of(tensors, "transformer.layers.{i}.")
        hidden = size(tensors, "transformer.layers.0.1.net.0.weight", 0)
        num_classes = size(tensors, "class_emb.weight", 0) - 1
        heads, process = self.heads_of(dim, depth), MaskGIT(vocab_size)
        scale, power, choice = RECIPES.get(bits, RECIPES[14])
        return Plan(
            make=lambda layout: MaskBit(process.interface(layout, ClassLabel(num_classes)), dim, depth, heads, hidden),
            names=NAMES,
            process=process,
            recipe=Recipe(
                MaskGITSampler(steps=64, choice_temperature=choice, schedule=Arccos()),
                guidance=PowerCosineGuidance(1 + scale, power=power, ends="left"),
            ),
            vocab_size=vocab_size,
            num_tokens=num_codes * (size(tensors, "pos_emb", 1) - 1),
            num_codes=num_codes,
            # It follows from the sizes.
            unused=("bits_to_indices",),
        )


class MaskBitTokenizer(MaskGITTokenizer):
    """The tokenizers of MaskBit: VQGAN+ without a codebook."""

    name: ClassVar[str] = "maskbit-tokenizer"
    source: ClassVar[str] = "Weber et al., 2024, arXiv 2409.16211"
    marks: ClassVar[tuple[str, ...]] = (BITS,)
    middle: ClassVar[str] = "mid.res_blocks.{block}"
    keys = KeyMap(
        down="encoder.down.{level}.res_blocks.{block}",
        downsample="encoder.down.{level}.down_conv",
        up="decoder.up.{step}.res_blocks.{block}",
        upsample="decoder.up.{step}.upsample_conv",
        middle=("mid.res_blocks.0",),
        inner={"skip": ("nin_shortcut",)},
        around=(),
        more_up_blocks=0,
    )

    def __init__(
        self,
        image_size: int | None = None,
        pixel_range: tuple[float, float] | None = None,
        num_codes: int = 2,
    ) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            image_size: of the square pictures that it is for; default: 256
            pixel_range: the values of black and white; default: [0, 1], as published
            num_codes: how many ids the bits of a cell are divided into; default: 2, as the published priors read them
        """
        super().__init__(image_size, pixel_range)
        self.num_codes = num_codes

    def architecture(self, weights: Path, tensors: Mapping[str, Tensor]) -> Architecture:
        return self.keys.architecture(tensors, CODEBOOK)

    def quantizer(self, a: Architecture, tensors: Mapping[str, Tensor]) -> Quantizer:
        return LFQ(a.dim, num_codes=self.num_codes)

    def quantizer_keys(self, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        return {"implementation.mask": BITS}

    def build(
        self, a: Architecture, quantizer: Quantizer, image_size: int, pixel_range: tuple[float, float]
    ) -> QuantizedAutoencoder:
        return MaskGITVQGAN(quantizer, image_size, a.channels, a.width, a.multipliers, a.num_res_blocks, pixel_range,
                            downsample="convolution")  # fmt: skip

    def arranged(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The bits of each id in the other order: the first channel is the most significant of lightgen's."""
        kept = {key: tensor for key, tensor in tensors.items() if key != CODEBOOK}
        bits = len(tensors[BITS])
        order = torch.arange(bits).unflatten(0, (self.num_codes, -1)).flip(1).flatten()
        for key, axis in (("encoder.conv_out.weight", 0), ("encoder.conv_out.bias", 0), ("decoder.conv_in.weight", 1)):
            if key in kept:
                kept[key] = kept[key].index_select(axis, order)
        return {**kept, BITS: tensors[BITS][: bits // self.num_codes].flip(0)}
