"""Purity sampling: write as many tokens as the noise level says, and rather those that the network is sure of.

Tang et al., 2022, "Improved vector quantized diffusion models", arXiv 2205.16007, "high-quality inference".
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw, gumbel, ranks
from lightgen.functional.random import Stream
from lightgen.prediction import Confidence, check_confidence
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import process_of
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class Purity(Sampler):
    """Write a fixed number of the masked tokens at each step, drawn in proportion to their purity.

    Token n is written with chance in proportion to max_x p_n(x), and drawn from p_n(x)^(1 + r purity_n).
    The purity of a token is its largest probability, relative to that of the purest token of the picture. Its logits
    are multiplied by 1 + sharpness x purity. After the step to time s, the masked share of the tokens that were masked
    at first is that of s, to the nearest token. Tokens that are not masked step back by the exact posterior. At most S
    network evaluations: see `Sampler.revisits`.

    Args:
        steps: S.
        sharpness: r of the paper, at least 0.
        confidence: whose largest probability purity is, the network's own or the warped one.

    Raises:
        ValueError: if `sharpness` is below 0.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING, NoiseFamily.MASK_REPLACE})
    revisits: ClassVar[bool] = True
    revises: ClassVar[str] = "replaced ones"
    exact: ClassVar[str] = "one token a step, sharpness 0"
    source: ClassVar[str] = "Tang et al., 2022, arXiv 2205.16007"

    def __init__(self, steps: int = 25, sharpness: float = 1.0, confidence: Confidence = "warped") -> None:
        super().__init__(steps)
        if sharpness < 0:
            raise ValueError(f"sharpness must be at least 0, not {sharpness}")
        self.sharpness = sharpness
        self.confidence = check_confidence(confidence)

    def start(self, state: State, denoise: Denoiser) -> State:
        first = process_of(denoise).noise_level(torch.full_like(state.rows, state.start, dtype=torch.float64)).masked
        return state.remember(total=(state.ids == denoise.layout.mask).sum(1), first=first)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        process, mask, num = process_of(denoise), denoise.layout.mask, state.ids.shape[1]
        earlier = (1 - clock.done(self.steps)).expand_as(clock.time)
        prediction = denoise(state.ids, clock)
        purity = prediction.by(self.confidence).softmax(-1).amax(-1)
        purity = purity / purity.amax(1, keepdim=True)
        sharper = prediction.logits * (1 + self.sharpness * purity).unsqueeze(-1)
        clean = draw(sharper, state.noise.uniform(clock.step, Stream.TOKEN, num))

        masked = state.ids == mask
        target = (state.memory["total"] * process.noise_level(earlier).masked / state.memory["first"]).round()
        # The largest of log purity plus Gumbel noise are draws in proportion to purity, without replacement.
        score = purity.log() + gumbel(state.noise.uniform(clock.step, Stream.ORDER, num))
        rank = ranks(score.masked_fill(~masked, -torch.inf), descending=True)
        written = masked & (rank < (masked.sum(1) - target)[:, None])
        moved = process.reverse(clean, state.ids, clock.time, earlier, state.noise, clock.step)
        return torch.where(written, clean, torch.where(masked, mask, moved)), None
