"""Where sampling stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

Ends = Literal["closed", "left", "right"]
"""Which points of [0, 1] the S steps k = 0, 1, ... stand for: those of a closed interval, k / (S - 1), from 0 to 1; or
the left or the right ends of S equal parts, k / S or (k + 1) / S.
"""


@dataclass(frozen=True)
class Clock:
    """The step, and how far each of the A pictures has come: pictures may be at different places."""

    step: int | Tensor
    """From 0 on; a tensor () int64 where one captured step serves for every number."""
    time: Tensor
    """(A,) float64 in [0, 1], 1 = all noise: what networks are told."""
    progress: Tensor
    """(A,) float64 in [0, 1], 0 at the first step and 1 at the last: what ramps go by."""
    num_steps: int | None = None
    """S, where every picture takes as many steps."""

    @classmethod
    def even(cls, step: int, time: float, progress: float, like: Tensor, num_steps: int | None = None) -> Clock:
        """All pictures at the same place; like: any tensor with A rows."""
        size, kind = like.shape[:1], torch.float64
        return cls(step, like.new_full(size, time, dtype=kind), like.new_full(size, progress, dtype=kind), num_steps)

    def select(self, rows: Tensor) -> Clock:
        """Of some pictures (an index or a boolean mask)."""
        return replace(self, time=self.time[rows], progress=self.progress[rows])

    def at(self, ends: Ends) -> Tensor:
        """(A,) float64 in [0, 1]: the progress by another convention, where there is a number of steps."""
        if ends == "closed" or self.num_steps is None:
            return self.progress
        return (self.progress * (self.num_steps - 1) + (ends == "right")) / self.num_steps

    def done(self, steps: int) -> Tensor:
        """() float64: (k + 1) / S, the share of the steps that are done after this one."""
        if isinstance(self.step, Tensor):
            return (self.step.double() + 1) / steps
        return self.time.new_full((), (self.step + 1) / steps)
