"""Finite scalar quantization: a fixed grid of codes, which cannot collapse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from lightgen.quantizers.backend import FSQ as Implementation
from lightgen.quantizers.base import Quantized, Quantizer


class FSQ(Quantizer):
    """Rounds each of a few channels to one of its levels; the product of the levels is the vocabulary.

    Args:
        levels: of each channel, at least 3 (for 2, see `LFQ`), e.g. (8, 8, 8) for 512 codes of 3 channels.

    Raises:
        ValueError: if there are no levels, or one is below 3.
    """

    source: ClassVar[str] = "Mentzer et al., 2023, arXiv 2309.15505"

    def __init__(self, levels: Sequence[int] = (8, 8, 8)) -> None:
        super().__init__()
        if not levels or min(levels) < 3:
            raise ValueError(f"levels must be one or more numbers of at least 3, not {tuple(levels)}")
        self.dim = len(levels)
        self.vocab_size = math.prod(levels)
        self.implementation = Implementation(list(levels))

    def quantize(self, latent: Tensor) -> Quantized:
        quantized, ids = self.implementation(latent)
        # A latent that is not finite has an id, too.
        return Quantized(quantized, ids.long().clamp(0, self.vocab_size - 1), latent.new_zeros(()))

    def embed(self, ids: Tensor) -> Tensor:
        latent: Tensor = self.implementation.indices_to_codes(ids)
        return latent
