"""The tokenizer of MaskGIT."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from lightgen.importers.keys import Architecture, KeyMap
from lightgen.importers.vqgan_importer import VQGANImporter
from lightgen.quantizers.base import Quantizer
from lightgen.tokenizers.maskgit_vqgan import MaskGITVQGAN
from lightgen.tokenizers.quantized import QuantizedAutoencoder


class MaskGIT(VQGANImporter):
    """The VQ-GAN of MaskGIT, as open-muse and 1d-tokenizer ported it."""

    name: ClassVar[str] = "maskgit"
    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"
    marks: ClassVar[tuple[str, ...]] = ("encoder.mid.0.conv1.weight",)
    default_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    middle: ClassVar[str] = "mid.{block}"
    """The residual blocks next to the latent."""
    keys = KeyMap(
        down="encoder.down.{level}.block.{block}",
        up="decoder.up.{level}.block.{block}",
        upsample="decoder.up.{level}.upsample_conv",
        middle=("mid.0",),
        inner={"skip": ("nin_shortcut",)},
        around=(),
        more_up_blocks=0,
    )

    def build(
        self, a: Architecture, quantizer: Quantizer, image_size: int, pixel_range: tuple[float, float]
    ) -> QuantizedAutoencoder:
        return MaskGITVQGAN(
            quantizer, image_size, a.channels, a.width, a.multipliers, a.num_res_blocks, pixel_range=pixel_range
        )

    def parts(self, a: Architecture) -> Iterable[str]:
        middle = tuple(self.middle.format(block=block) for block in range(a.num_res_blocks))
        return replace(self.keys, middle=middle).parts(a)
