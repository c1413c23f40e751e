"""Vector quantization with a codebook that follows the encoder by moving averages."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.quantizers.backend import VectorQuantize
from lightgen.quantizers.base import Quantized
from lightgen.quantizers.learned_codebook import LearnedCodebook, check_vocab_size


class VQ(LearnedCodebook):
    """Nearest code in Euclidean or cosine distance; codes are moving averages of the latents they stand for.

    The codebook starts from k-means on the first batch, and a code that hardly anything uses is replaced by a random
    latent of the batch: without both, most codes die within the first hundred steps.

    Args:
        vocab_size: V, the number of codes.
        dim: of the latent.
        decay: of the moving averages, per training step.
        commitment_weight: of the term that pulls the encoder towards the codes (arXiv 1711.00937, eq. 3).
        dead_below: a code with a smaller average count per step is replaced; 0 never replaces.
        code_dim: the latent is projected to so many numbers, which are compared to the codes, and back (arXiv
            2110.04627, section 3.2); None compares the latent itself.
        cosine: latents and codes are brought to length 1 first (ibid.).

    Raises:
        ValueError: if `vocab_size` is below 2, or `code_dim` below 1.
    """

    source: ClassVar[str] = "van den Oord et al., 2017, arXiv 1711.00937; Yu et al., 2021, arXiv 2110.04627"

    def __init__(
        self,
        vocab_size: int = 1024,
        dim: int = 256,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        dead_below: float = 0.1,
        code_dim: int | None = None,
        cosine: bool = False,
    ) -> None:
        if code_dim is not None and code_dim < 1:
            raise ValueError(f"code_dim must be at least 1, not {code_dim}")
        implementation = VectorQuantize(
            dim,
            check_vocab_size(vocab_size),
            codebook_dim=code_dim,
            decay=decay,
            commitment_weight=commitment_weight,
            threshold_ema_dead_code=dead_below,
            use_cosine_sim=cosine,
            rotation_trick=False,
            accept_image_fmap=True,
            sync_codebook=False,
        )
        super().__init__(vocab_size, dim, implementation)

    def assign(self, latent: Tensor) -> Quantized:
        quantized, ids, loss = self.implementation(latent)
        return Quantized(quantized, ids.long(), loss.sum())

    def embed(self, ids: Tensor) -> Tensor:
        codes: Tensor = self.implementation.project_out(self.implementation.codebook[ids])
        return codes.movedim(-1, 1)
