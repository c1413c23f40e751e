"""Classifier-free guidance: how far to go from the logits without a condition towards, and past, those with it.

Ho and Salimans, 2022, "Classifier-free diffusion guidance", arXiv 2207.12598. The scale s is that of
l_away + s (l_towards - l_away): 1 is no guidance, 0 is unconditional. (Papers that write (1 + w) l_c - w l_null mean
s = 1 + w.)
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Self, get_args

import torch
from torch import Tensor

from lightgen.clock import Clock, Ends
from lightgen.guidance.base import ALL, TOWARDS, Branch, Guidance
from lightgen.labels import Label, class_number
from lightgen.registry import changed


class Scaled(Guidance):
    """A scale over the progress of sampling, each picture by its own. A subclass says how it rises from 1 to `scale`.

    At 1 throughout, or 0, a step costs one network evaluation, else two.

    Args:
        scale: s at the end.

    Raises:
        ValueError: if the scale is below 0.
    """

    moves: ClassVar[bool] = True
    """Whether the scale is another one at other steps."""
    ends: Ends = "closed"
    """The points of the ramp at which the steps stand."""

    def __init__(self, scale: float) -> None:
        if scale < 0:
            raise ValueError(f"scale must be at least 0, not {scale}")
        self.scale = scale

    @property
    @abstractmethod
    def away(self) -> Branch:
        """What is gone away from."""

    @abstractmethod
    def ramp(self, progress: Tensor) -> Tensor:
        """The share of the way from 1 to `scale`, from progress 0 to 1."""

    def at(self, progress: Tensor) -> Tensor:
        """s at progresses in [0, 1], float64."""
        return 1 + (self.scale - 1) * self.ramp(progress)

    @cached_property
    def constant(self) -> bool:
        return self.scale == 1 or not self.moves

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        if self.scale == 1:
            return (TOWARDS,)
        if self.scale == 0 and self.constant:
            return (self.away,)
        return tuple(dict.fromkeys((TOWARDS, self.away)))

    def combine(self, logits: Mapping[Branch, Tensor], ids_AN: Tensor, clock: Clock) -> Tensor:
        if len(self.branches) == 1:
            return logits[self.branches[0]].float()
        towards, away = logits[TOWARDS].float(), logits[self.away].float()
        if self.constant:
            return torch.lerp(away, towards, self.scale)
        return torch.lerp(away, towards, self.at(clock.at(self.ends)).float().view(-1, *(1,) * (towards.ndim - 1)))


class ClassifierFree(Scaled):
    """Away from the same picture with less of a condition.

    Args:
        scale: s at the end.
        negative: a class to go away from, by number or name, in place of no class.
        hidden: names of the condition that the away branch is not told; None hides all.

    Raises:
        ValueError: if the scale is below 0.
    """

    def __init__(self, scale: float = 3.0, negative: Label | None = None, hidden: Sequence[str] | None = None) -> None:
        super().__init__(scale)
        self.negative = negative
        self.hidden = None if hidden is None else list(hidden)

    @cached_property
    def away(self) -> Branch:
        if self.negative is not None:
            return Branch(replaced=(("label", self.negative),))
        return Branch(hidden=ALL if self.hidden is None else tuple(self.hidden))

    def numbered(self, classes: Sequence[str] | None) -> Self:
        if not isinstance(self.negative, str):
            return self
        return changed(self, negative=class_number(self.negative, classes))


class ConstantGuidance(ClassifierFree):
    """The same scale at every step."""

    moves: ClassVar[bool] = False
    source: ClassVar[str] = "Ho and Salimans, 2022, arXiv 2207.12598"

    def ramp(self, progress: Tensor) -> Tensor:
        return torch.ones_like(progress)


class Ramped(ClassifierFree):
    """A scale that rises from step to step.

    Args:
        scale, negative, hidden: see `ClassifierFree`.
        ends: where on the ramp step k = 0, 1, ... of S stands: `closed`, k / (S - 1), from its beginning to its end
            (arXiv 2503.17076); `left`, k / S, short of its end (code of MaskBit, arXiv 2409.16211, and RAR, arXiv
            2411.00776); or `right`, (k + 1) / S, past its beginning, as schedules of masks do (arXiv 2202.04200).

    Raises:
        ValueError: if the scale is below 0, or `ends` is another word.
    """

    def __init__(
        self,
        scale: float = 3.0,
        negative: Label | None = None,
        hidden: Sequence[str] | None = None,
        ends: Ends = "closed",
    ) -> None:
        super().__init__(scale, negative, hidden)
        if ends not in get_args(Ends):
            raise ValueError(f"ends must be one of {', '.join(get_args(Ends))}, not {ends}")
        self.ends = ends


class LinearGuidance(Ramped):
    """From 1 in a straight line: the first tokens are free, the last ones are held to the condition."""

    source: ClassVar[str] = "Chang et al., 2023, arXiv 2301.00704, section 2.7"

    def ramp(self, progress: Tensor) -> Tensor:
        return progress


class CosineGuidance(Ramped):
    """From 1 by half a cosine, (1 - cos(pi r)) / 2."""

    source: ClassVar[str] = "Gao et al., 2023, arXiv 2303.14389"

    def ramp(self, progress: Tensor) -> Tensor:
        return (1 - torch.cos(math.pi * progress)) / 2


class PowerCosineGuidance(Ramped):
    """From 1 by half a cosine of a power, (1 - cos(pi r^p)) / 2.

    Args:
        scale, negative, hidden, ends: see `Ramped`.
        power: p > 0; the larger, the later the scale rises.

    Raises:
        ValueError: if the power is not above 0.
    """

    source: ClassVar[str] = "Gao et al., 2023, arXiv 2303.14389"

    def __init__(
        self,
        scale: float = 3.0,
        negative: Label | None = None,
        power: float = 3.0,
        hidden: Sequence[str] | None = None,
        ends: Ends = "closed",
    ) -> None:
        super().__init__(scale, negative, hidden, ends)
        if power <= 0:
            raise ValueError(f"power must be above 0, not {power}")
        self.power = power

    def ramp(self, progress: Tensor) -> Tensor:
        return (1 - torch.cos(math.pi * progress**self.power)) / 2
