"""EB-Sampler: write as many tokens at once as their entropies allow.

Ben-Hamu et al., 2025, "Accelerated sampling from masked diffusion models via entropy bounded unmasking",
arXiv 2505.24857.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import ranks
from lightgen.functional.random import Stream
from lightgen.prediction import Confidence, check_confidence
from lightgen.samplers.base import Sampler
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class EBSampler(Sampler):
    """Sort the masked tokens by entropy and write the longest prefix U with sum_U H - max_U H <= gamma, at least one.

    The left side bounds what is lost by drawing the tokens of U independently. Each picture takes as many steps as it
    needs, at most N; its ramps go by the share of tokens that are written.

    Args:
        gamma: nats, at least 0; 0 writes one token a step (and those that are certain), which is exact.
        confidence: whose entropies they are, of the network's own probabilities or of the warped ones.

    Raises:
        ValueError: if gamma is below 0.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING})
    adaptive: ClassVar[bool] = True
    nfe: ClassVar[str] = "at most N, as each picture needs"
    revises: ClassVar[str] = "no"
    exact: ClassVar[str] = "gamma 0"
    source: ClassVar[str] = "Ben-Hamu et al., 2025, arXiv 2505.24857"

    def __init__(self, gamma: float = 0.5, confidence: Confidence = "network") -> None:
        if gamma < 0:
            raise ValueError(f"gamma must be at least 0, not {gamma}")
        self.gamma = gamma
        self.confidence = check_confidence(confidence)

    def num_steps(self, num_tokens: int) -> int:
        return num_tokens

    def start(self, state: State, denoise: Denoiser) -> State:
        masked = (state.ids == denoise.layout.mask).sum(1)
        return state.remember(total=state.from_all_noise(masked), left=masked)

    def first_step(self, start: float, num_tokens: int) -> int:
        return 0 if start > 0 else num_tokens

    def clock(self, state: State) -> Clock:
        left = (state.memory["left"] / state.memory["total"].double().clamp_min(1)).clamp_max(1)
        return Clock(state.step, left, 1 - left)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        prediction = denoise(state.ids, clock)
        masked = state.ids == denoise.layout.mask
        proposal = prediction.draw(state.noise.uniform(clock.step, Stream.TOKEN, state.ids.shape[1]))
        probs = prediction.by(self.confidence).softmax(-1)
        entropy = torch.xlogy(probs, probs).sum(-1).double().neg().masked_fill(~masked, torch.inf)
        ascending = entropy.sort(1).values
        # Ascending, so that the largest of a prefix is its last: what is left is the sum of those before.
        before = (ascending.cumsum(1) - ascending).nan_to_num(torch.inf)
        # The last step leaves none, whatever was masked again from outside.
        allowed = before <= (torch.inf if state.is_last else self.gamma)
        written = masked & allowed.gather(1, ranks(entropy))
        state.memory["left"] = (masked & ~written).sum(1)
        return torch.where(written, proposal, state.ids), state.memory["left"] == 0
