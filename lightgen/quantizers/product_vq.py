"""Product quantization: groups of channels, each with a code from a codebook of its own."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.quantizers.backend import VectorQuantize
from lightgen.quantizers.base import Quantized
from lightgen.quantizers.learned_codebook import LearnedCodebook, check_vocab_size


class ProductVQ(LearnedCodebook):
    """M codes at a position, one for each of M groups of channels: as many vectors as V^M, from M codebooks of V codes.

    Args:
        vocab_size: V, the number of codes in each codebook.
        num_codes: M, the number of codebooks.
        dim: of the latent; a code has dim / M numbers.
        decay: of the moving averages that codes are, per training step.
        commitment_weight: of the term that pulls the encoder towards the codes.
        dead_below: a code with a smaller average count per step is replaced by a random latent; 0 never replaces.

    Raises:
        ValueError: if `vocab_size` is below 2, or `num_codes` below 2 or not a divisor of `dim`.
    """

    source: ClassVar[str] = "Jegou et al., 2011, TPAMI 33(1); Baevski et al., 2019, arXiv 1910.05453"

    def __init__(
        self,
        vocab_size: int = 1024,
        num_codes: int = 2,
        dim: int = 256,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        dead_below: float = 0.1,
    ) -> None:
        if num_codes < 2 or dim % num_codes:
            raise ValueError(f"num_codes must be at least 2 and divide dim ({dim}), not {num_codes}")
        implementation = VectorQuantize(
            dim,
            check_vocab_size(vocab_size),
            codebook_dim=dim // num_codes,
            heads=num_codes,
            separate_codebook_per_head=True,
            decay=decay,
            commitment_weight=commitment_weight,
            threshold_ema_dead_code=dead_below,
            rotation_trick=False,
            accept_image_fmap=True,
            sync_codebook=False,
        )
        super().__init__(vocab_size, dim, implementation)
        self.num_codes = num_codes

    def assign(self, latent: Tensor) -> Quantized:
        quantized, ids_BhwM, loss = self.implementation(latent)
        return Quantized(quantized, ids_BhwM.movedim(-1, 1), loss.sum())

    def embed(self, ids: Tensor) -> Tensor:
        which = torch.arange(self.num_codes, device=ids.device).view(-1, 1, 1)
        codes_BMhwd: Tensor = self.implementation.codebook[which, ids]
        return codes_BMhwd.movedim(-1, 2).flatten(1, 2)
