"""Schedules: progress of sampling in [0, 1] to the share of tokens that is still noise, from 1 down to 0."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.registry import Component


class Schedule(Component):
    """A falling function on [0, 1] with value 1 at 0 and 0 at 1.

    >>> Cosine()(0.5)
    tensor(0.7071, dtype=torch.float64)
    """

    kind: ClassVar[str] = "schedule"

    def __call__(self, progress: Tensor | float) -> Tensor:
        """The share still noise, float64, of a progress of any shape."""
        return self.share(torch.as_tensor(progress, dtype=torch.float64))

    @abstractmethod
    def share(self, progress: Tensor) -> Tensor:
        """The same, of float64 tensors."""


def count(total: Tensor, share: Tensor | float) -> Tensor:
    """floor(total share), int64: of so many tokens, those that are still noise.

    Rounding loses none: 784 (1 - 294 / 784) is 490, although it lies below that in float32, and 10 (1 - 0.9) is 1.
    """
    return (total.double() * share + 1e-6).floor().long()


class Cosine(Schedule):
    """cos(pi r / 2): few tokens at first, many at the end."""

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def share(self, progress: Tensor) -> Tensor:
        # cos(pi / 2) is not quite 0 in floating point.
        return torch.where(progress < 1, torch.cos(math.pi * progress / 2), 0.0)


class Power(Schedule):
    """1 - r^p; p = 1 is linear.

    Args:
        exponent: p > 0.

    Raises:
        ValueError: if the exponent is not above 0.
    """

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def __init__(self, exponent: float = 1.0) -> None:
        if exponent <= 0:
            raise ValueError(f"exponent must be above 0, not {exponent}")
        self.exponent = exponent

    def share(self, progress: Tensor) -> Tensor:
        return 1 - progress**self.exponent


class Logarithmic(Schedule):
    """-log r / log N, at most 1: most tokens in the first steps, few at the end.

    Args:
        num_tokens: N >= 2.

    Raises:
        ValueError: if `num_tokens` is below 2.
    """

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def __init__(self, num_tokens: int = 256) -> None:
        self.num_tokens = _at_least_two(num_tokens)

    def share(self, progress: Tensor) -> Tensor:
        return (torch.log(1 / progress) / math.log(self.num_tokens)).clamp_max(1.0)


class Exponential(Schedule):
    """1 - N^(r - 1), which is all but one of N tokens right after 0: nearly all tokens in the last steps.

    Args:
        num_tokens: N >= 2.

    Raises:
        ValueError: if `num_tokens` is below 2.
    """

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def __init__(self, num_tokens: int = 256) -> None:
        self.num_tokens = _at_least_two(num_tokens)

    def share(self, progress: Tensor) -> Tensor:
        return torch.where(progress > 0, 1 - self.num_tokens ** (progress - 1), 1.0)


class Arccos(Schedule):
    """2 / pi arccos(r): the opposite shape of the cosine."""

    source: ClassVar[str] = "Besnier and Chen, 2023, arXiv 2310.14400"

    def share(self, progress: Tensor) -> Tensor:
        return 2 / math.pi * torch.acos(progress)


def _at_least_two(num_tokens: int) -> int:
    if num_tokens < 2:
        raise ValueError(f"num_tokens must be at least 2, not {num_tokens}")
    return num_tokens
