"""Argmax-unrolled decoding: take the likeliest tokens, and think twice about the unsure ones.

Savinov et al., 2022, "Step-unrolled denoising autoencoders for text generation", arXiv 2112.06749.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import log_probability, ranks
from lightgen.functional.random import Stream
from lightgen.prediction import Confidence, Prediction, check_confidence
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import by_noise, unwritten
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
        certainty: what says how certain a token is, `current`, the probability of the proposed one, or `previous`, the
            largest one that the last evaluation of the step before gave its position; then the first step is a plain
            draw, which takes one evaluation. The one public code, which its author left unused and not verified, has
            the latter (github.com/vvvm23/sundae, commit 809b716).

    Raises:
        ValueError: if an argument is out of range.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.UNIFORM})
    nfe: ClassVar[str] = "at most 2 S"
    source: ClassVar[str] = "Savinov et al., 2022, arXiv 2112.06749"

    def __init__(
        self,
        steps: int = 10,
        uncertain: float = 0.3,
        update: float = 1.0,
        confidence: Confidence = "warped",
        certainty: Literal["current", "previous"] = "current",
    ) -> None:
        super().__init__(steps)
        if not 0 <= uncertain <= 1:
            raise ValueError(f"uncertain must be in [0, 1], not {uncertain}")
        if not 0 < update <= 1:
            raise ValueError(f"update must be in (0, 1], not {update}")
        self.uncertain = uncertain
        self.update = update
        self.confidence = check_confidence(confidence)
        if certainty not in ("current", "previous"):
            raise ValueError(f"certainty must be current or previous, not {certainty}")
        self.certainty = certainty

    def num_evaluations(self, num_tokens: int, branches: int = 1) -> int:
        return (2 * self.steps - (self.certainty == "previous")) * branches

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(unwritten=unwritten(state, denoise))

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        num, is_first = state.ids.shape[1], state.is_first
        prediction = denoise(state.ids, by_noise(clock, state.memory["unwritten"], denoise))
        state.memory["unwritten"] = state.memory["unwritten"] * (1 - self.update)
        likeliest = prediction.logits.argmax(-1)
        first = prediction.draw(state.noise.uniform(clock.step, Stream.TOKEN, num)) if is_first else likeliest
        takes_part = (state.noise.uniform(clock.step, Stream.UPDATE, num) < self.update) & ~state.known
        proposal = torch.where(takes_part, first, state.ids)

        if self.certainty == "previous" and is_first:
            state.memory["certain"] = self._largest(prediction)
            return proposal, None
        again = denoise(proposal, by_noise(clock, state.memory["unwritten"], denoise))
        if self.certainty == "previous":
            certainty, state.memory["certain"] = state.memory["certain"], self._largest(again)
        else:
            certainty = log_probability(prediction.by(self.confidence), first)
        second, certainty = again.logits.argmax(-1), certainty.masked_fill(~takes_part, torch.inf)
        count = (takes_part.sum(1, keepdim=True) * self.uncertain).round()
        unsure = ranks(certainty) < count
        may_rest = denoise.steady and denoise.warps.constant and not is_first
        rest = ((likeliest == state.ids) | state.known).all(1) if may_rest else None
        return torch.where(unsure, second, proposal), rest

    def _largest(self, prediction: Prediction) -> Tensor:
        """(A, N) the probability of the likeliest token."""
        return prediction.by(self.confidence).softmax(-1).amax(-1)
