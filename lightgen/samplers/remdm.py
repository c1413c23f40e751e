"""ReMDM: ancestral sampling of masked diffusion that masks written tokens again.

Wang et al., 2025, "Remasking discrete diffusion models with inference-time scaling", arXiv 2503.00307.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import log_probability
from lightgen.functional.random import Stream
from lightgen.prediction import Confidence
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import process_of
from lightgen.samplers.remasking import Cap, Remasking, Written
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class ReMDM(Sampler):
    """From time t to s, mask each written token with probability sigma, and write more of the masked ones in return.

    A masked token is written with probability (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t), which keeps the share
    alpha of written tokens that ancestral sampling has; with sigma = 0 it is ancestral sampling. At most S network
    evaluations (see `Sampler.revisits`); where sigma depends on how sure tokens are, two more for pictures that start
    with written tokens that may change.

    Args:
        steps: S.
        remasking: the strategy that sigma comes from; None is `Cap()`.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING})
    revisits: ClassVar[bool] = True
    nfe: ClassVar[str] = "at most S; with `Confidence` 2 more from given tokens"
    exact: ClassVar[str] = "in the limit (`Cap`, `Rescale`)"
    source: ClassVar[str] = "Wang et al., 2025, arXiv 2503.00307"

    def __init__(self, steps: int = 128, remasking: Remasking | None = None) -> None:
        super().__init__(steps)
        self.remasking = remasking or Cap()

    def start(self, state: State, denoise: Denoiser) -> State:
        confidence = torch.ones_like(state.ids, dtype=torch.float32)
        if self.remasking.confidence is not None:
            confidence = given_confidence(state, denoise, self.remasking.confidence)
        return state.remember(confidence=confidence)

    def noise_left(self, done: Tensor) -> Tensor:
        return self.remasking.time(done)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        process, mask, num = process_of(denoise), denoise.layout.mask, state.ids.shape[1]
        earlier = self.noise_left(clock.done(self.steps)).expand_as(clock.time)
        alpha, later = (process.noise_level(time).kept[:, None] for time in (clock.time, earlier))
        prediction = denoise(state.ids, clock)
        uniform = state.noise.uniform(clock.step, Stream.TOKEN, num)
        clean, log_prob = prediction.draw_scored(uniform, self.remasking.confidence or "warped")
        masked, before = state.ids == mask, state.memory["confidence"]
        state.memory["confidence"] = torch.where(masked, log_prob.exp(), before)

        bound = ((1 - later) / alpha.clamp_min(torch.finfo(alpha.dtype).tiny)).clamp_max(1)
        free = (~state.known).sum(1, keepdim=True)
        confidence = before.masked_fill(masked | state.known, torch.inf)
        sigma = self.remasking(Written(clock.time[:, None], earlier[:, None], alpha, bound, confidence, free))
        hidden = torch.where(masked, (1 - later - sigma * alpha) / (1 - alpha), sigma)
        hide = state.noise.uniform(clock.step, Stream.CHOICE, num).double() < hidden
        return torch.where(masked, clean, state.ids).masked_fill(hide, mask), None


def given_confidence(state: State, denoise: Denoiser, by: Confidence) -> Tensor:
    """(A, N) float32: how sure the network is of tokens that it did not write itself; 1 for all others.

    It is asked for a random half of them while it sees the other half, and the other way round.
    """
    mask = denoise.layout.mask
    free = (state.ids != mask) & ~state.known
    confidence = torch.ones_like(state.ids, dtype=torch.float32)
    rows = free.any(1)
    if bool(rows.any()):
        ids, denoise = state.ids[rows], denoise.select(rows)
        half = state.noise.select(rows).uniform(0, Stream.ORDER, ids.shape[1]) < 0.5
        for hidden in (half & free[rows], ~half & free[rows]):
            logits = denoise(ids.masked_fill(hidden, mask), Clock.even(0, 0.5, 0.0, ids)).by(by)
            probability = log_probability(logits, ids.clamp_max(mask - 1)).exp()
            confidence[rows] = torch.where(hidden, probability, confidence[rows])
    return confidence
