"""What the processes share that only mask.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from lightgen.conditioners.base import Conditioner
from lightgen.functional.categorical import draw, ranks
from lightgen.functional.errors import roc_area, token_errors
from lightgen.functional.random import Noise, Stream
from lightgen.layout import Layout
from lightgen.networks.base import Interface
from lightgen.processes.base import DENOISER, Networks
from lightgen.processes.diffusion import Diffusion
from lightgen.processes.likelihood import Bound
from lightgen.types import Denoise, LossOutput, NoiseFamily, NoiseLevel

CRITIC = "critic"
"""The role of the network that tells which tokens are wrong."""


class Masked(Bound, Diffusion):
    """At time t each token is MASK, id V, with probability t.

    Args:
        vocab_size: V.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.ABSORBING
    roles: ClassVar[tuple[str, ...]] = (CRITIC,)

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size)

    def interface(self, layout: Layout, conditioner: Conditioner | None, role: str = DENOISER) -> Interface:
        """A critic reads clean ids, and answers by one logit."""
        if role == CRITIC:
            return Interface(layout, self.vocab_size, num_outputs=1, conditioner=conditioner)
        return super().interface(layout, conditioner, role)

    def loss(self, networks: Networks, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """The denoiser's loss, and that of a critic where there is one."""
        output = self.denoising_loss(networks[DENOISER], ids_BN, noise)
        if CRITIC not in networks:
            return output
        critic = self.critic_loss(networks[CRITIC], networks[DENOISER], ids_BN, noise.fold(1))
        return LossOutput(output.loss + critic.loss, {**output.metrics, **critic.metrics})

    @abstractmethod
    def denoising_loss(self, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """The loss of the network that is sampled."""

    def critic_loss(self, critic: Denoise, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """Mask tokens, let the network fill them in, and ask the critic of every token whether it changed.

        Only the critic is trained by it. Lezama et al., 2022, "Improved masked image generation with Token-Critic",
        arXiv 2209.04439.

        Args:
            critic: ids (B, N) to logits (B, N, 1) of being wrong.
            denoise: the network, as it is at the moment.
            ids_BN: clean ids.
            noise: of the masking and the filling.
        """
        with torch.no_grad():
            time_B = 1 - noise.spread(0, Stream.TIME)
            noisy = self.corrupt(ids_BN, time_B, noise)
            drawn = draw(denoise(noisy, time_B), noise.uniform(0, Stream.TOKEN, ids_BN.shape[1]))
            filled = torch.where(noisy == self.vocab_size, drawn, noisy)
        wrong, doubt = filled != ids_BN, critic(filled).squeeze(-1).float()
        loss = binary_cross_entropy_with_logits(doubt, wrong.float())
        doubt = doubt.detach()
        right = ((doubt > 0) == wrong).float().mean()
        metrics = {"critic_loss": loss.detach(), "critic_accuracy": right, "critic_auc": roc_area(doubt, wrong)}
        return LossOutput(loss, metrics)

    @property
    def num_ids(self) -> int:
        return self.vocab_size + 1

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        return NoiseLevel(1 - time_B, time_B, torch.zeros_like(time_B))

    def _codes(self, noise: Noise, step: int | Tensor, stream: Stream, num: int) -> Tensor:
        # No token is replaced by a code, so that random ones would be drawn in vain.
        return noise.index.new_zeros(len(noise.index), num)

    def num_terms(self, num_tokens: int) -> int:
        return num_tokens

    def bound_term(self, denoise: Denoise, ids_BN: Tensor, number_B: Tensor, noise: Noise) -> Tensor:
        """Term k of the order-agnostic bound: the cross-entropy of k masked tokens, over k.

        Hoogeboom et al., 2022, arXiv 2110.02037, eq. 4. The sum over k = 1 to N is the integral over time t of
        cross-entropy over t, with the number of masked tokens integrated out.
        """
        masked = exactly(number_B, ids_BN.shape[1], noise)
        noisy = ids_BN.masked_fill(masked, self.vocab_size)
        errors = token_errors(denoise(noisy, (number_B / ids_BN.shape[1]).float()), ids_BN) * masked
        return errors.sum(1) / number_B


def exactly(count_B: Tensor, num_tokens: int, noise: Noise) -> Tensor:
    """(B, N) True at so many random positions of each row."""
    return ranks(noise.uniform(0, Stream.CORRUPT, num_tokens)) < count_B[:, None]
