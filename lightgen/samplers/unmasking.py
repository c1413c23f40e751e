"""What the samplers share that write some of the masked tokens at every step and never touch them again."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw_scored, ranks
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.schedules import Schedule, count
from lightgen.types import NoiseFamily


class Unmasking(Sampler):
    """Draw every masked token, write those of the highest score, as many as the schedule says.

    After step t of S, floor(M g(t / S)) of the M tokens that were masked at first are masked still, but every step
    writes at least one and the last writes all: at most min(S, M) network evaluations.

    Args:
        steps: S.
        schedule: g, from 1 to 0.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING})

    def __init__(self, steps: int, schedule: Schedule) -> None:
        super().__init__(steps)
        self.schedule = schedule

    @abstractmethod
    def score(self, state: State, denoise: Denoiser, log_probability: Tensor, step: int) -> Tensor:
        """(A, N) the higher, the sooner a proposed token is written, whose log-probability (A, N) is given."""

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        logits = denoise(state.ids, progress=self.progress(step))
        num, vocab_size = logits.shape[1:]
        masked = state.ids == vocab_size
        proposal, log_probability = draw_scored(logits, state.noise.uniform(step, Stream.TOKEN, num))
        left = masked.sum(1)
        total = state.memory.setdefault("total", left)
        share = self.schedule((step + 1) / self.steps) if step + 1 < self.steps else 0.0
        target = torch.minimum(count(total, share), left - 1).clamp_min(0)
        score = self.score(state, denoise, log_probability, step).masked_fill(~masked, -torch.inf)
        rank = ranks(score, descending=True)
        written = masked & (rank < (left - target)[:, None])
        return torch.where(written, proposal, state.ids), target == 0
