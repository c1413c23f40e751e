"""Classifier-free guidance: how far to go from the logits without a class towards, and past, those with one.

Ho and Salimans, 2022, "Classifier-free diffusion guidance", arXiv 2207.12598. The scale s is that of
l_null + s (l_class - l_null): 1 is no guidance, 0 is unconditional. (Papers that write (1 + w) l_class - w l_null mean
s = 1 + w.)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

from lightgen.registry import Component


class Guidance(Component):
    """A guidance scale over the progress of sampling. A subclass says how it rises from 1 to `scale`.

    Args:
        scale: s at the end; at 1 throughout, a step costs one network evaluation instead of two.
        negative: a class to go away from, in place of no class.

    Raises:
        ValueError: if the scale is below 0.
    """

    kind: ClassVar[str] = "guidance"

    def __init__(self, scale: float = 3.0, negative: int | None = None) -> None:
        if scale < 0:
            raise ValueError(f"scale must be at least 0, not {scale}")
        self.scale = scale
        self.negative = negative

    @abstractmethod
    def ramp(self, progress: float) -> float:
        """The share of the way from 1 to `scale`, from progress 0 to 1."""

    def __call__(self, progress: float) -> float:
        """s at a progress in [0, 1]."""
        return 1 + (self.scale - 1) * self.ramp(progress)

    @property
    def constant(self) -> bool:
        """Whether the scale is the same at every step."""
        return self(0.0) == self(1.0)


class ConstantGuidance(Guidance):
    """The same scale at every step."""

    source: ClassVar[str] = "Ho and Salimans, 2022, arXiv 2207.12598"

    def ramp(self, progress: float) -> float:
        return 1.0


class LinearGuidance(Guidance):
    """From 1 in a straight line: the first tokens are free, the last ones are held to the class."""

    source: ClassVar[str] = "Chang et al., 2023, arXiv 2301.00704, section 2.7"

    def ramp(self, progress: float) -> float:
        return progress


class CosineGuidance(Guidance):
    """From 1 by half a cosine, (1 - cos(pi r)) / 2."""

    source: ClassVar[str] = "Gao et al., 2023, arXiv 2303.14389"

    def ramp(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress)) / 2


class PowerCosineGuidance(Guidance):
    """From 1 by half a cosine of a power, (1 - cos(pi r^p)) / 2.

    Args:
        scale, negative: see `Guidance`.
        power: p > 0; the larger, the later the scale rises.

    Raises:
        ValueError: if the power is not above 0.
    """

    source: ClassVar[str] = "Gao et al., 2023, arXiv 2303.14389"

    def __init__(self, scale: float = 3.0, negative: int | None = None, power: float = 3.0) -> None:
        super().__init__(scale, negative)
        if power <= 0:
            raise ValueError(f"power must be above 0, not {power}")
        self.power = power

    def ramp(self, progress: float) -> float:
        return (1 - math.cos(math.pi * progress**self.power)) / 2
