"""Autoregressive training: every token is predicted from those before it.

Esser et al., 2021, "Taming transformers for high-resolution image synthesis", arXiv 2012.09841. The order is the
network's; it alone knows which positions come before which.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional.errors import accuracy, token_errors
from lightgen.functional.random import Noise, Stream
from lightgen.processes.base import DENOISER, Networks, Process
from lightgen.processes.likelihood import Bound
from lightgen.types import Denoise, LossOutput, NoiseFamily


class Causal(Bound, Process):
    """The cross-entropy of every token given those before it: -1/N sum over n of log p(x_n | x_1, ..., x_{n-1}).

    Args:
        vocab_size: V; MASK, where sampling starts, is id V.
        keep_probability: of each token that the network reads in training; the others become uniformly random codes
            (which may be the same), so that it learns to go on from mistakes (`pkeep` in the released code).

    Raises:
        ValueError: if `keep_probability` is not in [0, 1].
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.CAUSAL
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(self, vocab_size: int, keep_probability: float = 1.0) -> None:
        super().__init__(vocab_size)
        if not 0 <= keep_probability <= 1:
            raise ValueError(f"keep_probability must be in [0, 1], not {keep_probability}")
        self.keep_probability = keep_probability

    @property
    def num_ids(self) -> int:
        return self.vocab_size + 1

    def initial(self, num_tokens: int, noise: Noise) -> Tensor:
        return torch.full_like(noise.index, self.vocab_size)[:, None].repeat(1, num_tokens)

    def loss(self, networks: Networks, ids_BN: Tensor, noise: Noise) -> LossOutput:
        """Mean cross-entropy of all tokens in nats; outside of training every token is kept, and it is exact."""
        denoise = networks[DENOISER]
        logits = denoise(self._noisy(ids_BN, noise) if self.training else ids_BN)
        right = accuracy(logits, ids_BN, torch.ones_like(ids_BN, dtype=torch.bool))
        return LossOutput(token_errors(logits, ids_BN).mean(), {"accuracy": right})

    def num_terms(self, num_tokens: int) -> int:
        return 1

    def bound_term(self, denoise: Denoise, ids_BN: Tensor, number_B: Tensor, noise: Noise) -> Tensor:
        """The negative log-likelihood itself, from one evaluation."""
        return token_errors(denoise(ids_BN), ids_BN).sum(1)

    def _noisy(self, ids_BN: Tensor, noise: Noise) -> Tensor:
        kept = noise.uniform(0, Stream.CORRUPT, ids_BN.shape[1]) < self.keep_probability
        return torch.where(kept, ids_BN, noise.integers(0, Stream.REPLACE, ids_BN.shape[1], self.vocab_size))
