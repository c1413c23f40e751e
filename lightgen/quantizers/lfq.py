"""Lookup-free quantization: the sign of each channel is a bit of the id."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor
from torch.nn.functional import mse_loss, softplus

from lightgen.quantizers.backend import LFQ as Implementation
from lightgen.quantizers.base import Quantized, Quantizer
from lightgen.quantizers.learned_codebook import sum_over_ranks, world_size


class LFQ(Quantizer):
    """Each channel becomes -1 or 1. An entropy term makes single choices certain and their average even.

    The loss is entropy_weight * (E[H(code | latent)] - H(E[code | latent])) + commitment_weight * mean |z - sg(q)|^2,
    in nats, where a code's probability is a softmax of -|z - code|^2 / temperature (eq. 5, 6). The average is taken
    over the batches of all ranks.

    Args:
        bits: channels; there are 2^bits codes.
        entropy_weight: of the entropy term.
        commitment_weight: of the term that pulls the encoder towards the codes.
        temperature: of the codes' probabilities in the entropy term.
        num_codes: M, how many ids the bits of a position are divided into, those of the first channels first, each of
            bits / M of them (Weber et al., 2024, arXiv 2409.16211); the loss is that of the whole code.

    Raises:
        ValueError: if `bits` is not in [1, 24] or a multiple of `num_codes`, or `temperature` is not positive.
    """

    source: ClassVar[str] = "Yu et al., 2023, arXiv 2310.05737"

    def __init__(
        self,
        bits: int = 10,
        entropy_weight: float = 0.1,
        commitment_weight: float = 0.25,
        temperature: float = 0.01,
        num_codes: int = 1,
    ) -> None:
        super().__init__()
        if not 1 <= bits <= 24:
            raise ValueError(f"bits must be in [1, 24], not {bits}")
        if num_codes < 1 or bits % num_codes:
            raise ValueError(f"num_codes must be at least 1 and divide bits ({bits}), not {num_codes}")
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        self.dim = bits
        self.num_codes = num_codes
        self.vocab_size = 2 ** (bits // num_codes)
        self.entropy_weight = entropy_weight
        self.commitment_weight = commitment_weight
        self.temperature = temperature
        self.implementation = Implementation(dim=bits, codebook_size=self.vocab_size, num_codebooks=num_codes).eval()

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        # For its codes only. Its entropy term is wrong on several ranks, and needs a table of latents by codes.
        self.implementation.eval()
        return self

    def quantize(self, latent: Tensor) -> Quantized:
        codes, ids, _ = self.implementation(latent)
        ids = ids.movedim(-1, 1) if self.num_codes > 1 else ids
        if not self.training:
            return Quantized(codes, ids.long(), latent.new_zeros(()))
        certain, even = entropies(latent.movedim(1, -1).flatten(0, -2), self.temperature)
        loss = self.entropy_weight * (certain - even) + self.commitment_weight * mse_loss(latent, codes)
        return Quantized(latent + (codes - latent).detach(), ids.long(), loss)

    def embed(self, ids: Tensor) -> Tensor:
        ids = ids.movedim(1, -1) if self.num_codes > 1 else ids
        latent: Tensor = self.implementation.indices_to_codes(ids)
        return latent


def entropies(latents: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Entropies in nats of softmax(-|latent - code|^2 / temperature) over all codes in {-1, 1}^bits.

    The softmax is a product over bits. So the first entropy is a sum over bits, and the average of the products is one
    matrix product of the codes' left halves with their right halves: nothing here has the size of latents x codes.

    Args:
        latents: (n, bits).
        temperature: above 0.

    Returns:
        The mean entropy of a latent's distribution, and the entropy of the mean distribution, over all ranks.
    """
    logits = -(latents * (4 / temperature)).abs()
    certain = (softplus(logits) - logits * logits.sigmoid()).sum(1).mean()
    probs_ND2 = torch.stack((-latents, latents), -1).mul(2 / temperature).softmax(-1)
    left, right = (_joint(half) for half in probs_ND2.tensor_split(2, dim=1))
    mean = left.T @ right / len(latents)
    total = mean.detach().clone()
    sum_over_ranks(total)
    # The value of all ranks with the gradient of ours: the mean gradient over ranks is that of the value.
    mean = mean + (total / world_size() - mean).detach()
    # The derivative of p log p has no limit at 0.
    even = -(mean * mean.clamp_min(torch.finfo(mean.dtype).tiny).log()).sum()
    return certain, even


def _joint(probs_ND2: Tensor) -> Tensor:
    """Probabilities (n, 2^D) of all values of D independent bits."""
    joint = probs_ND2.new_ones(len(probs_ND2), 1)
    for probs_N2 in probs_ND2.unbind(1):
        joint = (joint.unsqueeze(-1) * probs_N2.unsqueeze(1)).flatten(1)
    return joint
