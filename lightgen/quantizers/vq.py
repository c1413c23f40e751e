"""Vector quantization with a codebook that follows the encoder by moving averages."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from vector_quantize_pytorch import VectorQuantize

from lightgen.quantizers.base import Quantized, Quantizer


class VQ(Quantizer):
    """Nearest code in Euclidean distance; codes are moving averages of the latents they stand for.

    The book starts from k-means on the first batch, and a code that hardly anything uses is replaced by a random
    latent of the batch: without both, most codes die within the first hundred steps. That randomness is a function
    of the number of training steps so far, so that a resumed run repeats an unbroken one.

    Args:
        vocab_size: V, the number of codes.
        dim: of a code.
        decay: of the moving averages, per training step.
        commitment_weight: of the term that pulls the encoder towards the codes (arXiv 1711.00937, eq. 3).
        dead_below: a code with a smaller average count per step is replaced; 0 never replaces.
    """

    source: ClassVar[str] = "van den Oord et al., 2017, arXiv 1711.00937; Razavi et al., 2019, arXiv 1906.00446"

    steps: Tensor

    def __init__(
        self,
        vocab_size: int = 1024,
        dim: int = 256,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        dead_below: float = 0.1,
    ) -> None:
        super().__init__()
        if vocab_size < 2:
            raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
        self.vocab_size = vocab_size
        self.dim = dim
        self.implementation = VectorQuantize(
            dim,
            vocab_size,
            decay=decay,
            commitment_weight=commitment_weight,
            kmeans_init=True,
            threshold_ema_dead_code=dead_below,
            rotation_trick=False,
            accept_image_fmap=True,
        )
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, latent: Tensor) -> Quantized:
        with torch.autocast(latent.device.type, enabled=False):
            if not self.training:
                quantized, ids, loss = self.implementation(latent.float())
            else:
                with torch.random.fork_rng(devices=[latent.device] if latent.is_cuda else []):
                    torch.manual_seed(int(self.steps))
                    quantized, ids, loss = self.implementation(latent.float())
                self.steps += 1
        return Quantized(quantized, ids.long(), loss.sum())

    def lookup(self, ids: Tensor) -> Tensor:
        codes: Tensor = self.implementation.codebook[ids]
        return codes.movedim(-1, 1)
