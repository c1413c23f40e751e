"""The tokenizers of LlamaGen (Sun et al., 2024, arXiv 2406.06525)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor

from lightgen.importers.base import Importer
from lightgen.importers.layout import Architecture, Layout
from lightgen.importers.taming import INNER
from lightgen.quantizers.base import Quantizer
from lightgen.quantizers.codebook import Codebook


class LlamaGen(Importer):
    """Reads VQ-16 and VQ-8: codes of length one, attention at the smallest level only."""

    family: ClassVar[str] = "tokenizer of LlamaGen"
    # The last ids seen in training, for a curve of how many codes are used.
    dropped: ClassVar[tuple[str, ...]] = ("quantize.codebook_used",)
    layout: ClassVar[Layout] = Layout(
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
