"""What all processes share that destroy tokens independently: levels over time, and the step back.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lightgen.functional.categorical import invert
from lightgen.functional.diffusion import Level, corrupt, posterior
from lightgen.functional.random import Noise, Stream
from lightgen.processes.base import Process


class Diffusion(Process):
    """A process whose tokens are destroyed independently, at a level that time in [0, 1] sets; MASK is id V."""

    @abstractmethod
    def level(self, time_B: Tensor) -> Level:
        """The level at times (B,) float64; at 0 all is kept, at 1 nothing is."""

    def corrupt(self, ids_BN: Tensor, time_B: Tensor, noise: Noise) -> Tensor:
        num = ids_BN.shape[1]
        choice = noise.uniform(0, Stream.CORRUPT, num).double()
        codes = noise.integers(0, Stream.REPLACE, num, self.vocab_size)
        return corrupt(ids_BN, self.level(time_B.double()), self.vocab_size, choice, codes)

    def initial(self, num_tokens: int, noise: Noise) -> Tensor:
        """Ids at time 1: what any ids are corrupted to."""
        blank = noise.index.new_zeros(len(noise.index), num_tokens)
        return self.corrupt(blank, torch.ones_like(noise.index, dtype=torch.float64), noise)

    def reverse(
        self, logits_BNV: Tensor, ids_BN: Tensor, time: float, earlier: float, noise: Noise, step: int
    ) -> Tensor:
        """Draw ids (B, N) at an earlier time, given those at `time` and logits of the clean ids."""
        probs = torch.softmax(logits_BNV, -1, dtype=torch.float64)
        s, t = (self.level(probs.new_full((len(probs),), value)) for value in (earlier, time))
        return invert(posterior(probs, ids_BN, s, t), noise.uniform(step, Stream.TOKEN, ids_BN.shape[1]))

    def divergence(
        self, logits_BNV: Tensor, ids_BN: Tensor, noisy_BN: Tensor, earlier_B: Tensor, time_B: Tensor
    ) -> Tensor:
        """(B, N) KL from the true posterior of a step to the model's, in nats."""
        s, t = (Level(*(x.to(logits_BNV.dtype) for x in self.level(b))) for b in (earlier_B, time_B))
        true = posterior(one_hot(ids_BN, self.vocab_size).to(logits_BNV), noisy_BN, s, t)
        model = posterior(logits_BNV.softmax(-1), noisy_BN, s, t).clamp_min(torch.finfo(logits_BNV.dtype).tiny)
        return (torch.xlogy(true, true) - true * model.log()).sum(-1)
