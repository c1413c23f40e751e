"""Schedules: progress of sampling in [0, 1] to the share of tokens that is still noise, from 1 down to 0."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

from lightgen.registry import Component


class Schedule(Component):
    """A falling function on [0, 1] with value 1 at 0 and 0 at 1."""

    kind: ClassVar[str] = "schedule"

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The share still noise."""


class Cosine(Schedule):
    """cos(pi r / 2): few tokens at first, many at the end."""

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def __call__(self, progress: float) -> float:
        return math.cos(math.pi * progress / 2) if progress < 1 else 0.0


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

    def __call__(self, progress: float) -> float:
        return float(1 - progress**self.exponent)


class Arccos(Schedule):
    """2 / pi arccos(r): the opposite shape of the cosine."""

    source: ClassVar[str] = "Besnier and Chen, 2023, arXiv 2310.14400"

    def __call__(self, progress: float) -> float:
        return 2 / math.pi * math.acos(progress)
