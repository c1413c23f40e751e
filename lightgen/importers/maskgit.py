"""The tokenizer of MaskGIT (Chang et al., 2022, arXiv 2202.04200), as open-muse and 1d-tokenizer ported it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from lightgen.importers.base import Importer
from lightgen.importers.layout import Architecture, Layout, order
from lightgen.quantizers.base import Quantizer
from lightgen.tokenizers.maskgit_vqgan import MaskGITVQGAN
from lightgen.tokenizers.quantized import QuantizedAutoencoder


class MaskGIT(Importer):
    """Reads the VQ-GAN without attention, whose pixels are in [0, 1]."""

    family: ClassVar[str] = "VQ-GAN of MaskGIT"
    pixel_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    layout: ClassVar[Layout] = Layout(
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
        middle = tuple(f"mid.{block}" for block in range(a.num_res_blocks))
        return order(replace(self.layout, middle=middle), a)
