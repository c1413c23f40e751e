"""The tokenizers of LlamaGen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from lightgen.importers.keys import Architecture, KeyMap
from lightgen.importers.taming import INNER
from lightgen.importers.vqgan_importer import VQGANImporter
from lightgen.quantizers.base import Quantizer
from lightgen.quantizers.codebook import Codebook


class LlamaGen(VQGANImporter):
    """The tokenizers of LlamaGen, VQ-16 and VQ-8."""

    name: ClassVar[str] = "llamagen"
    source: ClassVar[str] = "Sun et al., 2024, arXiv 2406.06525"
    marks: ClassVar[tuple[str, ...]] = ("encoder.conv_blocks.0.res.0.conv1.weight",)
    # The last ids seen in training, for a curve of how many codes are used.
    dropped: ClassVar[tuple[str, ...]] = ("quantize.codebook_used",)
    keys = KeyMap(
        down="encoder.conv_blocks.{level}.res.{block}",
        down_attention="encoder.conv_blocks.{level}.attn.{block}",
        downsample="encoder.conv_blocks.{level}.downsample.conv",
        up="decoder.conv_blocks.{step}.res.{block}",
        up_attention="decoder.conv_blocks.{step}.attn.{block}",
        upsample="decoder.conv_blocks.{step}.upsample.conv",
        middle=("mid.0", "mid.2"),
        middle_attention="mid.1",
        inner=INNER,
    )

    def quantizer(self, a: Architecture, tensors: Mapping[str, Tensor]) -> Quantizer:
        return Codebook(a.vocab_size, a.dim, unit=True)
