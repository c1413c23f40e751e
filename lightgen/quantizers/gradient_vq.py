"""Vector quantization with a codebook that is trained by its gradient."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import mse_loss

from lightgen.quantizers.backend import VectorQuantize
from lightgen.quantizers.base import Quantized
from lightgen.quantizers.learned_codebook import LearnedCodebook, check_vocab_size


class GradientVQ(LearnedCodebook):
    """Nearest code in Euclidean distance; codes are parameters: mean |sg(z) - e|^2 + beta * mean |z - sg(e)|^2.

    The weight beta is on the commitment term, the second, as in the paper; several releases have it on the first. The
    codebook starts from k-means on the first batch instead of U(-1/V, 1/V): from there, most latents choose the same
    few codes, and the others, whose gradient is zero, stay unused.

    Args:
        vocab_size: V, the number of codes.
        dim: of the latent and of a code.
        commitment_weight: beta.
        decay: of the running means of how often codes are chosen.
        dead_below: a code with a smaller average count per step is replaced; 0 never replaces.

    Raises:
        ValueError: if `vocab_size` is below 2.
    """

    source: ClassVar[str] = "van den Oord et al., 2017, arXiv 1711.00937, eq. 3; Esser et al., 2021, arXiv 2012.09841"

    def __init__(
        self,
        vocab_size: int = 1024,
        dim: int = 256,
        commitment_weight: float = 0.25,
        decay: float = 0.99,
        dead_below: float = 0.1,
    ) -> None:
        implementation = VectorQuantize(
            dim,
            check_vocab_size(vocab_size),
            learnable_codebook=True,
            ema_update=False,
            decay=decay,
            commitment_weight=0.0,
            threshold_ema_dead_code=dead_below,
            rotation_trick=False,
            accept_image_fmap=True,
            sync_codebook=False,
        )
        super().__init__(vocab_size, dim, implementation)
        self.commitment_weight = commitment_weight

    def assign(self, latent: Tensor) -> Quantized:
        quantized, ids, loss = self.implementation(latent)
        if self.training:
            # The library weighs both terms alike. A chosen code may already have been replaced by another.
            codes = self.embed(ids)
            codes = codes + (quantized - codes).detach()
            loss = mse_loss(codes, latent.detach()) + self.commitment_weight * mse_loss(latent, codes.detach())
        return Quantized(quantized, ids.long(), loss)

    def embed(self, ids: Tensor) -> Tensor:
        codes: Tensor = self.implementation.codebook[ids]
        return codes.movedim(-1, 1)
