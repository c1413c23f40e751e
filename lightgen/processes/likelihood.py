"""Bounds on the negative log-likelihood, as sums of terms: summed in full, or estimated from one random term."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional.random import Noise, Stream
from lightgen.types import Denoise


class Bound(ABC):
    """A process whose network has a likelihood, or an upper bound on the negative of it."""

    has_likelihood: ClassVar[bool] = True

    @abstractmethod
    def num_terms(self, num_tokens: int) -> int:
        """T, how many terms the bound has for pictures of so many tokens."""

    @abstractmethod
    def bound_term(self, denoise: Denoise, ids_BN: Tensor, number_B: Tensor, noise: Noise) -> Tensor:
        """(B,) an unbiased estimate of one term for each picture, in nats.

        Args:
            denoise: the network with its condition.
            ids_BN: clean ids.
            number_B: which term, from 1 to T.
            noise: of the corruption.
        """


def estimate(process: Bound, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> Tensor:
    """(B,) an unbiased estimate of the bound in nats, from one evenly drawn term for each picture."""
    total = process.num_terms(ids_BN.shape[1])
    number_B = (noise.spread(0, Stream.TIME).double() * total).long() + 1
    return total * process.bound_term(denoise, ids_BN, number_B, noise)


def full_sum(process: Bound, denoise: Denoise, ids_BN: Tensor, noise: Noise) -> Tensor:
    """(B,) the bound in nats from all of its terms, each with a corruption of its own."""
    sums = torch.zeros(len(ids_BN), dtype=torch.float64, device=ids_BN.device)
    for number in range(1, process.num_terms(ids_BN.shape[1]) + 1):
        number_B = torch.full_like(noise.index, number)
        sums += process.bound_term(denoise, ids_BN, number_B, noise.fold(number))
    return sums
