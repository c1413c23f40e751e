"""Quantization that draws its codes while it trains."""

from __future__ import annotations

from math import log
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lightgen.functional.categorical import gumbel
from lightgen.functional.random import Noise, Stream
from lightgen.quantizers.base import Quantized, Quantizer
from lightgen.quantizers.learned_codebook import check_vocab_size, rank


class GumbelVQ(Quantizer):
    """Draws a code by learned logits while training; takes the likeliest code afterwards.

    The encoder learns through the straight-through Gumbel-softmax: forward the drawn code, backward the mean of the
    codes weighted by softmax((logits + g) / temperature) with the same Gumbel noise g. Logits are a linear map of the
    latent and codes are trained by gradient. (Were the logits distances to moving averages, as in
    `vector_quantize_pytorch`, then the first, nearly uniform draws would average all codes into one.) The loss is
    kl_weight * KL(softmax(logits), uniform) in nats. What is drawn is a function of the number of training steps so
    far, and of the latent's place in the batches of all ranks.

    Args:
        vocab_size: V, the number of codes.
        dim: of the latent and of a code.
        temperature: of the softmax in the gradient; the draw does not depend on it.
        kl_weight: of the term that keeps all codes in play.

    Raises:
        ValueError: if `vocab_size` is below 2, or `temperature` is not positive.
    """

    source: ClassVar[str] = "Jang et al., 2016, arXiv 1611.01144; Ramesh et al., 2021, arXiv 2102.12092"

    steps: Tensor

    def __init__(
        self, vocab_size: int = 1024, dim: int = 256, temperature: float = 1.0, kl_weight: float = 5e-4
    ) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        self.vocab_size = check_vocab_size(vocab_size)
        self.dim = dim
        self.temperature = temperature
        self.kl_weight = kl_weight
        self.to_logits = nn.Linear(dim, vocab_size)
        self.codes = nn.Parameter(torch.randn(vocab_size, dim))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def quantize(self, latent: Tensor) -> Quantized:
        logits_NV = self.to_logits(latent.movedim(1, -1).flatten(0, 2))
        shape = (len(latent), *latent.shape[2:])
        if not self.training:
            ids = logits_NV.argmax(1).view(shape)
            return Quantized(self.embed(ids), ids, latent.new_zeros(()))
        num = len(logits_NV)
        noise = Noise.of(0, num, rank() * num, latent.device)
        drawn = gumbel(noise.uniform(int(self.steps), Stream.TOKEN, self.vocab_size))
        noisy_NV = logits_NV + drawn.to(logits_NV)
        ids_N, soft_NV = noisy_NV.argmax(1), (noisy_NV / self.temperature).softmax(1)
        chosen_NV = one_hot(ids_N, self.vocab_size) + soft_NV - soft_NV.detach()
        quantized = (chosen_NV @ self.codes).view(*shape, -1).movedim(-1, 1)
        log_probs_NV = logits_NV.log_softmax(1)
        divergence = (log_probs_NV.exp() * log_probs_NV).sum(1).mean() + log(self.vocab_size)
        self.steps += 1
        return Quantized(quantized, ids_N.view(shape), self.kl_weight * divergence)

    def embed(self, ids: Tensor) -> Tensor:
        return self.codes[ids].movedim(-1, 1)
