"""Halton: tokens are written in a low-discrepancy order, so that those of one step lie far apart.

Besnier et al., 2025, "Halton scheduler for masked generative image transformer", arXiv 2503.17076.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Stream
from lightgen.samplers.state import State
from lightgen.samplers.unmasking import Unmasking
from lightgen.schedules import Arccos, Schedule, count


class Halton(Unmasking):
    """Write the tokens in the order of the 2-D Halton sequence.

    Its n-th cell is (phi_2(n) h, phi_3(n) w), where phi_b(n) are the digits of n in base b, mirrored at the point.

    Args:
        steps: S.
        randomize: start the order elsewhere for each picture.
        schedule: share still masked; None is the arccosine.
        floor: which of two numbers is rounded down, that of the tokens `written`, as in the released code, or `masked`.

    Raises:
        ValueError: if `floor` is another word.
    """

    source: ClassVar[str] = "Besnier et al., 2025, arXiv 2503.17076"

    def __init__(
        self,
        steps: int = 32,
        randomize: bool = False,
        schedule: Schedule | None = None,
        floor: Literal["written", "masked"] = "written",
    ) -> None:
        super().__init__(steps, schedule or Arccos())
        if floor not in ("written", "masked"):
            raise ValueError(f"floor must be written or masked, not {floor}")
        self.randomize = randomize
        self.floor = floor

    def left(self, total: Tensor, share: Tensor) -> Tensor:
        return total - count(total, 1 - share) if self.floor == "written" else super().left(total, share)

    def start(self, state: State, denoise: Denoiser) -> State:
        rank = denoise.layout.halton_rank().to(state.ids.device).expand_as(state.ids)
        if self.randomize:
            num = rank.shape[1]
            rank = (rank + state.noise.integers(0, Stream.ORDER, 1, num)) % num
        return super().start(state, denoise).remember(rank=rank)

    def score(self, state: State, denoise: Denoiser, clock: Clock, confidence: Tensor) -> Tensor:
        return -state.memory["rank"].double()
