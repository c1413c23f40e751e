"""Argmax-unrolled decoding: take the likeliest tokens, and think twice about the unsure ones.

Savinov et al., 2022, "Step-unrolled denoising autoencoders for text generation", arXiv 2112.06749.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import log_probability, ranks
from lightgen.functional.random import Stream
from lightgen.prediction import Confidence, check_confidence
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import by_noise, none_written
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class ArgmaxUnrolled(Sampler):
    """Propose the likeliest tokens, show the proposal to the network, and take its word on the least certain share.

    y = argmax p(. | x_k), y' = argmax p(. | y), and x_{k+1} = y' where log p(y | x_k) is among the lowest, else y.
    The first step draws its proposal instead, or all pictures would be alike. Every step takes two network evaluations:
    of the ids as they are, and of the proposal. A picture whose proposal is itself stops there if the logits are the
    same at every step, as nothing would ever change again. Networks that read the time are told the one at which as
    many tokens are noise as were never written.

    Args:
        steps: S, the most steps a picture may take.
        uncertain: share of the tokens, in [0, 1], that takes the second opinion.
        update: probability in (0, 1] that a token takes part in a step; the others stay as they are.
        confidence: whose probability says how certain a token is, the network's own or the warped one.

    Raises:
        ValueError: if an argument is out of range.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.UNIFORM})
    nfe: ClassVar[str] = "at most 2 S"
    source: ClassVar[str] = "Savinov et al., 2022, arXiv 2112.06749"

    def __init__(
        self, steps: int = 10, uncertain: float = 0.3, update: float = 1.0, confidence: Confidence = "warped"
    ) -> None:
        super().__init__(steps)
        if not 0 <= uncertain <= 1:
            raise ValueError(f"uncertain must be in [0, 1], not {uncertain}")
        if not 0 < update <= 1:
            raise ValueError(f"update must be in (0, 1], not {update}")
        self.uncertain = uncertain
        self.update = update
        self.confidence = check_confidence(confidence)

    def num_evaluations(self, num_tokens: int, branches: int = 1) -> int:
        return 2 * self.steps * branches

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(unwritten=none_written(state))

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        num, is_first = state.ids.shape[1], state.step == 0
        prediction = denoise(state.ids, by_noise(clock, state.memory["unwritten"], denoise))
        state.memory["unwritten"] = state.memory["unwritten"] * (1 - self.update)
        likeliest = prediction.logits.argmax(-1)
        first = prediction.draw(state.noise.uniform(clock.step, Stream.TOKEN, num)) if is_first else likeliest
        takes_part = (state.noise.uniform(clock.step, Stream.UPDATE, num) < self.update) & ~state.known
        proposal = torch.where(takes_part, first, state.ids)

        certainty = log_probability(prediction.by(self.confidence), first).masked_fill(~takes_part, torch.inf)
        second = denoise(proposal, by_noise(clock, state.memory["unwritten"], denoise)).logits.argmax(-1)
        count = (takes_part.sum(1, keepdim=True) * self.uncertain).round()
        unsure = ranks(certainty) < count
        may_rest = denoise.steady and denoise.warps.constant and not is_first
        rest = ((likeliest == state.ids) | state.known).all(1) if may_rest else None
        return torch.where(unsure, second, proposal), rest
