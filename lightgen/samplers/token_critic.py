"""Token-Critic: a second network says which tokens look wrong, and those are masked again.

Lezama et al., 2022, "Improved masked image generation with Token-Critic", arXiv 2209.04439.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import ranks
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler
from lightgen.samplers.state import State
from lightgen.schedules import Cosine, Schedule, count
from lightgen.types import NoiseFamily


class TokenCritic(Sampler):
    """Fill all masked tokens, then mask those that the critic doubts most, wherever they are.

    x ~ p(. | z), then MASK at the largest of log-odds c_n(x) + tau (1 - t / S) (u_n - 1/2), u uniform.

    After step t of S, floor(M g(t / S)) tokens are masked, but at least one, where M were masked at first; the last
    step leaves all filled. Every step evaluates the network, and every one but the last the critic: 2 S - 1
    evaluations.

    Args:
        steps: S.
        choice_temperature: width of uniform noise on the critic's logits, at least 0; step t of S has (1 - t / S) of
            it.
        schedule: g; None is the cosine.

    Raises:
        ValueError: if the temperature is below 0.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING})
    needs: ClassVar[tuple[str, ...]] = ("critic",)
    nfe: ClassVar[str] = "2 S − 1"
    source: ClassVar[str] = "Lezama et al., 2022, arXiv 2209.04439"

    def __init__(self, steps: int = 18, choice_temperature: float = 1.0, schedule: Schedule | None = None) -> None:
        super().__init__(steps)
        if choice_temperature < 0:
            raise ValueError(f"choice_temperature must be at least 0, not {choice_temperature}")
        self.choice_temperature = choice_temperature
        self.schedule = schedule or Cosine()

    def num_evaluations(self, num_tokens: int, branches: int = 1) -> int:
        # The critic is not guided.
        return self.steps * branches + self.steps - 1

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(total=state.from_all_noise((state.ids == denoise.layout.mask).sum(1)))

    def noise_left(self, done: Tensor) -> Tensor:
        return self.schedule(done)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        num, mask = state.ids.shape[1], denoise.layout.mask
        proposal = denoise(state.ids, clock).draw(state.noise.uniform(clock.step, Stream.TOKEN, num))
        filled = torch.where(state.ids == mask, proposal, state.ids)
        if state.is_last:
            return filled, None
        done = clock.done(self.steps)
        noise = state.noise.uniform(clock.step, Stream.CHOICE, num) - 0.5
        doubt = denoise.critique(filled) + (self.choice_temperature * (1 - done)).float() * noise
        rank = ranks(doubt.masked_fill(state.known, -torch.inf), descending=True)
        again = count(state.memory["total"], self.schedule(done)).clamp_min(1)
        return filled.masked_fill(rank < again[:, None], mask), None
