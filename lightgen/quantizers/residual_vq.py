"""Residual quantization: each code refines what the codes before it left over."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.quantizers.backend import ResidualVQ as Implementation
from lightgen.quantizers.base import Quantized
from lightgen.quantizers.learned_codebook import LearnedCodebook, check_vocab_size


class ResidualVQ(LearnedCodebook):
    """M codes at a position, whose sum is the quantized latent; each is the nearest to what is left over so far.

    Args:
        vocab_size: V, the number of codes in each codebook.
        num_codes: M, the number of codebooks.
        dim: of the latent and of a code.
        decay: of the moving averages that codes are, per training step.
        commitment_weight: of the terms that pull the encoder towards each partial sum of codes.
        dead_below: a code with a smaller average count per step is replaced by a random remainder; 0 never replaces.

    Raises:
        ValueError: if `vocab_size` or `num_codes` is below 2.
    """

    source: ClassVar[str] = "Lee et al., 2022, arXiv 2203.01941; Zeghidour et al., 2021, arXiv 2107.03312"

    def __init__(
        self,
        vocab_size: int = 1024,
        num_codes: int = 2,
        dim: int = 256,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        dead_below: float = 0.1,
    ) -> None:
        if num_codes < 2:
            raise ValueError(f"num_codes must be at least 2, not {num_codes}")
        implementation = Implementation(
            dim=dim,
            codebook_size=check_vocab_size(vocab_size),
            num_quantizers=num_codes,
            decay=decay,
            commitment_weight=commitment_weight,
            threshold_ema_dead_code=dead_below,
            rotation_trick=False,
            sync_codebook=False,
        )
        super().__init__(vocab_size, dim, implementation)
        self.num_codes = num_codes

    def assign(self, latent: Tensor) -> Quantized:
        total_BND, ids_BNM, loss = self.implementation(latent.flatten(2).transpose(1, 2))
        total = total_BND.transpose(1, 2).unflatten(2, latent.shape[2:])
        if self.training:
            # The library passes the gradient on once for each code.
            total = latent + (total - latent).detach()
        ids = ids_BNM.transpose(1, 2).unflatten(2, latent.shape[2:])
        return Quantized(total, ids, loss.sum())

    def embed(self, ids: Tensor) -> Tensor:
        codes = [codebook.embed[0, ids_m] for codebook, ids_m in zip(self.codebooks, ids.unbind(1), strict=True)]
        return torch.stack(codes).sum(0).movedim(-1, 1)
