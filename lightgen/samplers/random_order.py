"""Order-agnostic decoding: tokens are written in a random order.

Hoogeboom et al., 2022, "Autoregressive diffusion models", arXiv 2110.02037. With as many steps as tokens every token is
drawn given all before it, so that a perfect network samples its distribution exactly.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Stream
from lightgen.samplers.state import State
from lightgen.samplers.unmasking import Unmasking
from lightgen.schedules import Power, Schedule


class RandomOrder(Unmasking):
    """Write the tokens in a random order, another for each picture.

    Args:
        steps: S.
        schedule: share still masked; None is linear.
    """

    source: ClassVar[str] = "Hoogeboom et al., 2022, arXiv 2110.02037"

    def __init__(self, steps: int = 16, schedule: Schedule | None = None) -> None:
        super().__init__(steps, schedule or Power())

    def start(self, state: State, denoise: Denoiser) -> State:
        order = state.noise.uniform(0, Stream.ORDER, state.ids.shape[1])
        return super().start(state, denoise).remember(order=order)

    def score(self, state: State, denoise: Denoiser, clock: Clock, confidence: Tensor) -> Tensor:
        return state.memory["order"]
