"""What the processes share that only mask.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional.categorical import ranks
from lightgen.functional.errors import token_errors
from lightgen.functional.random import Noise, Stream
from lightgen.processes.diffusion import Diffusion
from lightgen.processes.likelihood import Bound
from lightgen.types import Denoise, Level, NoiseFamily


class Masked(Diffusion, Bound):
    """At time t each token is MASK, id V, with probability t.

    Args:
        vocab_size: V.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.ABSORBING

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size)

    @property
    def num_ids(self) -> int:
        return self.vocab_size + 1

    def level(self, time_B: Tensor) -> Level:
        return Level(1 - time_B, time_B, torch.zeros_like(time_B))

    def _codes(self, noise: Noise, step: int, stream: Stream, num: int) -> Tensor:
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
