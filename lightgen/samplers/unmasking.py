"""What the samplers share that write some of the masked tokens at every step and never touch them again."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import ranks
from lightgen.functional.random import Stream
from lightgen.prediction import Confidence, Prediction
from lightgen.samplers.base import Sampler
from lightgen.samplers.state import State
from lightgen.schedules import Schedule, count
from lightgen.types import NoiseFamily


class Unmasking(Sampler):
    """Draw every masked token, write those of the highest score, as many as the schedule says.

    >>> from lightgen.denoiser import Denoiser
    >>> from lightgen.functional.random import Noise
    >>> from lightgen.layout import Layout
    >>> from lightgen.samplers import RandomOrder
    >>> blank = Denoiser(lambda ids, time, context: torch.zeros(*ids.shape, 5), Layout((2, 4), vocab_size=5))
    >>> loop = RandomOrder(steps=4).iterate(blank, torch.full((1, 8), 5), None, Noise.of(0, 1))
    >>> [int((state.ids == 5).sum()) for state in loop]
    [6, 4, 2, 0]

    After step t of S, floor(M g(t / S)) of the M tokens that were masked at first are masked still, but every step
    writes at least one and the last writes all: at most min(S, M) network evaluations.

    Args:
        steps: S.
        schedule: g, from 1 to 0.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING})
    nfe: ClassVar[str] = "min(S, N)"
    revises: ClassVar[str] = "no"
    exact: ClassVar[str] = "one token a step"
    confidence: Confidence = "warped"
    """Whose log-probability of a proposed token says how sure it is."""

    def __init__(self, steps: int, schedule: Schedule) -> None:
        super().__init__(steps)
        self.schedule = schedule

    def propose(self, prediction: Prediction, uniform: Tensor, clock: Clock) -> tuple[Tensor, Tensor]:
        """Ids (A, N) by one uniform each, and how sure they are, (A, N): their log-probability."""
        return prediction.draw_scored(uniform, self.confidence)

    @abstractmethod
    def score(self, state: State, denoise: Denoiser, clock: Clock, confidence: Tensor) -> Tensor:
        """(A, N) the higher, the sooner a proposed token is written, of which is given how sure it is, (A, N)."""

    def left(self, total: Tensor, share: Tensor) -> Tensor:
        """How many of so many tokens (A,) are masked still, where a share () is."""
        return count(total, share)

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(total=state.from_all_noise((state.ids == denoise.layout.mask).sum(1)))

    def noise_left(self, done: Tensor) -> Tensor:
        return self.schedule(done)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        prediction = denoise(state.ids, clock)
        masked = state.ids == denoise.layout.mask
        uniform = state.noise.uniform(clock.step, Stream.TOKEN, state.ids.shape[1])
        proposal, confidence = self.propose(prediction, uniform, clock)
        left = masked.sum(1)
        share = self.schedule(clock.done(self.steps))
        target = torch.minimum(self.left(state.memory["total"], share), left - 1).clamp_min(0)
        score = self.score(state, denoise, clock, confidence).masked_fill(~masked, -torch.inf)
        written = masked & (ranks(score, descending=True) < (left - target)[:, None])
        return torch.where(written, proposal, state.ids), target == 0
