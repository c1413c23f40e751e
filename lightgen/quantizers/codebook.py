"""Fixed codebooks, as they come with a tokenizer that somebody else has trained."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss, normalize

from lightgen.quantizers.base import Quantized, Quantizer


class Codebook(Quantizer):
    """Nearest code of a fixed codebook, in Euclidean distance.

    The codes are a buffer, random until weights are loaded. An encoder and a decoder can go on training around them,
    and ids keep their meaning.

    Args:
        vocab_size: V, the number of codes, at least 2.
        dim: of a code.
        unit: scale latents and codes to length one first, as codebooks of few dimensions are trained
            (Yu et al., 2021, arXiv 2110.04627).
        commitment_weight: of the term that pulls the encoder towards the codes (arXiv 1711.00937, eq. 3).

    Raises:
        ValueError: if there are less than 2 codes.
    """

    source: ClassVar[str] = "van den Oord et al., 2017, arXiv 1711.00937; Yu et al., 2021, arXiv 2110.04627"

    codes: Tensor

    def __init__(self, vocab_size: int, dim: int, unit: bool = False, commitment_weight: float = 0.25) -> None:
        super().__init__()
        if vocab_size < 2:
            raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
        self.vocab_size = vocab_size
        self.dim = dim
        self.unit = unit
        self.commitment_weight = commitment_weight
        self.register_buffer("codes", torch.randn(vocab_size, dim))

    def quantize(self, latent: Tensor) -> Quantized:
        scaled = normalize(latent, dim=1) if self.unit else latent
        codes_VD = self._codebook()
        # Picture by picture: the distances of one to all codes fill hundreds of megabytes at times.
        ids = torch.stack([nearest(picture, codes_VD) for picture in scaled])
        quantized = self.embed(ids)
        loss = self.commitment_weight * mse_loss(scaled, quantized) if self.training else latent.new_zeros(())
        return Quantized(scaled + (quantized - scaled).detach(), ids, loss)

    def embed(self, ids: Tensor) -> Tensor:
        return self._codebook()[ids].movedim(-1, 1)

    def _codebook(self) -> Tensor:
        return normalize(self.codes, dim=1) if self.unit else self.codes


class GumbelCodebook(Quantizer):
    """A classifier's likeliest code: how a tokenizer trained with Gumbel noise quantizes without the noise.

    Args:
        vocab_size: V, the number of codes, at least 2.
        dim: of the latent and of a code.

    Raises:
        ValueError: if there are less than 2 codes.
    """

    source: ClassVar[str] = "Jang et al., 2016, arXiv 1611.01144; Esser et al., 2021, arXiv 2012.09841"

    codes: Tensor

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        if vocab_size < 2:
            raise ValueError(f"vocab_size must be at least 2, not {vocab_size}")
        self.vocab_size = vocab_size
        self.dim = dim
        self.projection = nn.Conv2d(dim, vocab_size, 1)
        self.register_buffer("codes", torch.randn(vocab_size, dim))

    def quantize(self, latent: Tensor) -> Quantized:
        logits_BVhw = self.projection(latent)
        ids = logits_BVhw.argmax(1)
        # The gradient is that of the expected code.
        expected = torch.einsum("bvhw,vd->bdhw", logits_BVhw.softmax(1), self.codes)
        return Quantized(expected + (self.embed(ids) - expected).detach(), ids, latent.new_zeros(()))

    def embed(self, ids: Tensor) -> Tensor:
        return self.codes[ids].movedim(-1, 1)


def nearest(latent: Tensor, codes_VD: Tensor) -> Tensor:
    """Ids (h, w) of the codes nearest to the latents (D, h, w) of one picture.

    Squared distances without the latent's own square, which is the same for all codes and costs digits.
    """
    distances = codes_VD.square().sum(1) - 2 * latent.flatten(1).T @ codes_VD.T
    return distances.argmin(1).unflatten(0, latent.shape[1:])
