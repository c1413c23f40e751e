"""What all processes share that destroy tokens independently: levels over time, and the steps between them.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lightgen.functional import posteriors
from lightgen.functional.random import Noise, Stream
from lightgen.processes.base import Process
from lightgen.types import NoiseLevel


class Diffusion(Process):
    """A process whose tokens are destroyed independently, at a level that time in [0, 1] sets; MASK is id V.

    Args:
        vocab_size: V.
        informed: replace tokens by codes as often as they stand in the training data, instead of equally often.
            `observe` must then be called before training.
    """

    diffuses: ClassVar[bool] = True
    frequencies: Tensor
    """(V,) float64: how often each code is drawn where a token is replaced."""

    def __init__(self, vocab_size: int, informed: bool = False) -> None:
        super().__init__(vocab_size)
        self.informed = informed
        self.register_buffer("frequencies", torch.full((vocab_size,), 1 / vocab_size, dtype=torch.float64))

    @abstractmethod
    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        """The level at times (B,) float64; at 0 all is kept, at 1 nothing is."""

    def observe(self, counts_V: Tensor) -> None:
        """Take the frequencies from counts (V,) of the codes in the training data, each raised by one."""
        raised = counts_V.to(self.frequencies) + 1
        self.frequencies.copy_(raised / raised.sum())

    def corrupt(self, ids_BN: Tensor, time_B: Tensor, noise: Noise) -> Tensor:
        """Noisy ids (B, N) at time (B,) in [0, 1], where 1 is all noise."""
        choice = noise.uniform(0, Stream.CORRUPT, ids_BN.shape[1]).double()
        codes = self._codes(noise, 0, Stream.REPLACE, ids_BN.shape[1])
        return posteriors.corrupt(ids_BN, self.noise_level(time_B.double()), self.vocab_size, choice, codes)

    def initial(self, num_tokens: int, noise: Noise) -> Tensor:
        """Ids at time 1: what any ids are corrupted to."""
        blank = noise.index.new_zeros(len(noise.index), num_tokens)
        return self.corrupt(blank, torch.ones_like(noise.index, dtype=torch.float64), noise)

    def reverse(
        self, clean_BN: Tensor, ids_BN: Tensor, time_B: Tensor, earlier_B: Tensor, noise: Noise, step: int | Tensor
    ) -> Tensor:
        """Draw ids (B, N) at an earlier time by the exact posterior, given those at `time` and the clean ids.

        q(z_s | z_t, z_0) = q(z_t | z_s) q(z_s | z_0) / q(z_t | z_0); times are (B,) float64.
        """
        choice = noise.uniform(step, Stream.CHOICE, ids_BN.shape[1]).double()
        codes = self._codes(noise, step, Stream.REVERSE, ids_BN.shape[1])
        s, t = self.noise_level(earlier_B), self.noise_level(time_B)
        return posteriors.step_back(clean_BN, ids_BN, s, t, self.frequencies, choice, codes)

    def forward_from(self, ids_BN: Tensor, time_B: Tensor, later_B: Tensor, noise: Noise, step: int | Tensor) -> Tensor:
        """Draw ids (B, N) at a later time, given those at `time`; times are (B,) float64."""
        choice = noise.uniform(step, Stream.FORWARD, ids_BN.shape[1]).double()
        codes = self._codes(noise, step, Stream.FORWARD_CODE, ids_BN.shape[1])
        moved = posteriors.transition(self.noise_level(time_B), self.noise_level(later_B))
        return posteriors.corrupt(ids_BN, NoiseLevel(*moved), self.vocab_size, choice, codes)

    def divergence(
        self, logits_BNV: Tensor, ids_BN: Tensor, noisy_BN: Tensor, earlier_B: Tensor, time_B: Tensor
    ) -> Tensor:
        """(B, N) KL from the true posterior of a step to the model's, in nats."""
        s, t = (NoiseLevel(*(x.to(logits_BNV.dtype) for x in self.noise_level(b))) for b in (earlier_B, time_B))
        f = self.frequencies
        true = posteriors.posterior(one_hot(ids_BN, self.vocab_size).to(logits_BNV), noisy_BN, s, t, f)
        model = posteriors.posterior(logits_BNV.softmax(-1), noisy_BN, s, t, f)
        return (torch.xlogy(true, true) - true * model.clamp_min(torch.finfo(logits_BNV.dtype).tiny).log()).sum(-1)

    def _codes(self, noise: Noise, step: int | Tensor, stream: Stream, num: int) -> Tensor:
        """(B, num) codes drawn by their frequencies."""
        if not self.informed:
            return noise.integers(step, stream, num, self.vocab_size)
        uniform = noise.uniform(step, stream, num).double()
        return torch.searchsorted(self.frequencies.cumsum(0), uniform).clamp_max(self.vocab_size - 1)
