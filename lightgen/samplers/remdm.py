"""ReMDM: ancestral sampling of masked diffusion that masks written tokens again.

Wang et al., 2025, "Remasking discrete diffusion models with inference-time scaling", arXiv 2503.00307.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw_scored, log_probability
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.samplers.diffusion import evaluate_changed, level_at
from lightgen.samplers.remasking import Cap, Moment, Remasking
from lightgen.types import NoiseFamily


class ReMDM(Sampler):
    """From time t to s, mask each written token with probability sigma, and write more of the masked ones in return.

    A masked token is written with probability (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t), which keeps the share
    alpha of written tokens that ancestral sampling has; with sigma = 0 it is ancestral sampling. At most S network
    evaluations (see `evaluate_changed`); where sigma depends on how sure tokens are, two more for pictures that start
    with written tokens that may change.

    Args:
        steps: S.
        remasking: the strategy that sigma comes from; None is `Cap()`.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING})
    source: ClassVar[str] = "Wang et al., 2025, arXiv 2503.00307"

    def __init__(self, steps: int = 128, remasking: Remasking | None = None) -> None:
        super().__init__(steps)
        self.remasking = remasking or Cap()

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        time, earlier = (self.remasking.time(s / self.steps) for s in (step, step + 1))
        written, later = level_at(denoise, time).kept, level_at(denoise, earlier).kept
        logits = evaluate_changed(state, denoise, time, self.progress(step))
        num, vocab_size = logits.shape[1:]
        clean, log_prob = draw_scored(logits, state.noise.uniform(step, Stream.TOKEN, num))
        masked = state.ids == vocab_size

        if step == 0:
            asked = self.remasking.needs_sureness
            state.memory["sure"] = given_sureness(state, denoise, vocab_size) if asked else torch.ones_like(log_prob)
        sure = state.memory["sure"]
        state.memory["sure"] = torch.where(masked, log_prob.exp(), sure)
        bound = ((1 - later) / written.clamp_min(torch.finfo(written.dtype).tiny)).clamp_max(1)
        free = (~state.known).sum(1, keepdim=True)
        sureness = sure.masked_fill(masked | state.known, torch.inf)
        sigma = self.remasking(Moment(time, earlier, written, bound, sureness, free))

        hidden = torch.where(masked, (1 - later - sigma * written) / (1 - written), sigma)
        ids = torch.where(masked, clean, state.ids)
        hide = state.noise.uniform(step, Stream.CHOICE, num).double() < hidden
        return ids.masked_fill(hide, vocab_size), None


def given_sureness(state: State, denoise: Denoiser, vocab_size: int) -> Tensor:
    """(A, N) float32: how sure the network is of tokens that it did not write itself.

    It is asked for a random half of them while it sees the other half, and the other way round.
    """
    free = (state.ids != vocab_size) & ~state.known
    sure = torch.ones_like(state.ids, dtype=torch.float32)
    rows = free.any(1)
    if bool(rows.any()):
        ids, denoise = state.ids[rows], denoise.select(rows)
        half = state.noise.select(rows).uniform(0, Stream.ORDER, ids.shape[1]) < 0.5
        for hidden in (half & free[rows], ~half & free[rows]):
            logits = denoise(ids.masked_fill(hidden, vocab_size), 0.5)
            probability = log_probability(logits, ids.clamp_max(vocab_size - 1)).exp()
            sure[rows] = torch.where(hidden, probability, sure[rows])
    return sure
