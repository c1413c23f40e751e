"""Vector quantization that draws its codes while it trains."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, one_hot
from vector_quantize_pytorch import VectorQuantize

from lightgen.functional.random import Noise, Stream
from lightgen.quantizers.base import Quantized
from lightgen.quantizers.book import BookQuantizer, check_vocab_size, rank


class GumbelVQ(BookQuantizer):
    """Draws a code with probability softmax(-|z - code|) while training; the nearest code afterwards.

    The encoder learns through the straight-through Gumbel-softmax: forward the drawn code, backward the mean of the
    codes weighted by softmax((-|z - code| + g) / temperature) with the same Gumbel noise g. By moving its latents apart
    it makes the draws as certain as it needs them. Codes are moving averages of the latents that drew them.

    Args:
        vocab_size: V, the number of codes.
        dim: of the latent and of a code.
        temperature: of the softmax in the gradient; the draw does not depend on it.
        decay: of the moving averages, per training step.
        commitment_weight: of the term that pulls the encoder towards the codes.
        dead_below: a code with a smaller average count per step is replaced by a random latent; 0 never replaces.

    Raises:
        ValueError: if `vocab_size` is below 2, or `temperature` is not positive.
    """

    source: ClassVar[str] = "Jang et al., 2016, arXiv 1611.01144; Sonderby et al., 2017"

    def __init__(
        self,
        vocab_size: int = 1024,
        dim: int = 256,
        temperature: float = 1.0,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        dead_below: float = 0.1,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        implementation = VectorQuantize(
            dim,
            check_vocab_size(vocab_size),
            decay=decay,
            threshold_ema_dead_code=dead_below,
            rotation_trick=False,
            accept_image_fmap=True,
            sync_codebook=False,
        )
        super().__init__(vocab_size, dim, implementation)
        self.temperature = temperature
        self.commitment_weight = commitment_weight

    def assign(self, latent: Tensor) -> Quantized:
        if not self.training:
            return Quantized(*self.implementation(latent))
        book, latents_ND = self.books[0], latent.movedim(1, -1).flatten(0, 2)
        book.init_embed_(latents_ND.unsqueeze(0))
        # A copy, because the library moves the book in place before the backward pass reads it.
        codes_VD = book.embed[0].clone()
        num = len(latents_ND)
        noise = Noise.of(0, num, rank() * num, latent.device)
        gumbel = -(-noise.uniform(int(self.steps), Stream.TOKEN, self.vocab_size).log()).log()
        noisy_NV = gumbel - torch.cdist(latents_ND, codes_VD)
        ids_N, soft_NV = noisy_NV.argmax(1), (noisy_NV / self.temperature).softmax(1)
        chosen_NV = one_hot(ids_N, self.vocab_size) + soft_NV - soft_NV.detach()
        ids = ids_N.view(len(latent), *latent.shape[2:])
        self.implementation.update_indices(latent.detach(), ids)
        quantized = (chosen_NV @ codes_VD).view(*ids.shape, -1).movedim(-1, 1)
        return Quantized(quantized, ids, self.commitment_weight * mse_loss(latents_ND, codes_VD[ids_N]))

    def embed(self, ids: Tensor) -> Tensor:
        codes: Tensor = self.implementation.codebook[ids]
        return codes.movedim(-1, 1)
