"""Guidance towards one thing at some steps, and towards another at the rest.

Chen et al., 2022, "Re-Imagen", arXiv 2209.14491.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.functional.likeness import NEIGHBOURS
from lightgen.functional.random import Noise, Stream
from lightgen.functional.text import CAPTION
from lightgen.guidance.base import Branch, Guidance
from lightgen.guidance.ramps import ConstantGuidance


class Interleaved(Guidance):
    """At a share of the steps away from what lacks the first names, at the others from what lacks the second.

    l = s l(c, n) - (s - 1) l(n) or l = s' l(c, n) - (s' - 1) l(c). Which of both a step does is drawn by its number,
    alike for all pictures. Both are evaluated at each, three branches, since what a step costs is known before.

    Args:
        share: probability in [0, 1] that a step takes the first; 1 and 0 are `ConstantGuidance` with two branches.
        scale: s, towards the first names.
        other_scale: s', towards the second.
        first, second: names of the condition, as those of the text and of neighbours.

    Raises:
        ValueError: if a number is out of range.
    """

    source: ClassVar[str] = "Chen et al., 2022, arXiv 2209.14491"

    def __init__(
        self,
        share: float = 0.5,
        scale: float = 3.0,
        other_scale: float = 3.0,
        first: Sequence[str] = (CAPTION,),
        second: Sequence[str] = (NEIGHBOURS,),
    ) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share must be in [0, 1], not {share}")
        self.share = share
        self.parts = (ConstantGuidance(scale, hidden=first), ConstantGuidance(other_scale, hidden=second))

    @cached_property
    def used(self) -> tuple[ConstantGuidance, ...]:
        """Those that some step takes."""
        return tuple(part for part, share in zip(self.parts, (self.share, 1 - self.share), strict=True) if share)

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        return tuple(dict.fromkeys(branch for part in self.used for branch in part.branches))

    @property
    def constant(self) -> bool:
        return len(self.used) == 1

    def combine(self, logits: Mapping[Branch, Tensor], ids_AN: Tensor, clock: Clock) -> Tensor:
        first, *second = (part.combine(logits, ids_AN, clock) for part in self.used)
        return torch.where(self.takes_first(clock.step, ids_AN.device), first, second[0]) if second else first

    def takes_first(self, step: int | Tensor, device: torch.device | str = "cpu") -> Tensor:
        """() bool: what is drawn for a step."""
        drawn = Noise.of(0, 1, device=device).uniform(step, Stream.GUIDANCE, 1).squeeze()
        return drawn < self.share
