"""Purity sampling: write as many tokens as the noise level says, and rather those that the network is sure of.

Tang et al., 2022, "Improved vector quantized diffusion models", arXiv 2205.16007, "high-quality inference".
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw, gumbel, ranks
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.samplers.diffusion import evaluate_changed, level_at, process_of
from lightgen.types import NoiseFamily


class Purity(Sampler):
    """Write a fixed number of the masked tokens at each step, drawn in proportion to their purity.

    The purity of a token is its largest probability, relative to that of the purest token of the picture. Its logits
    are multiplied by 1 + sharpness x purity. After the step to time s, the masked share of the tokens that were masked
    at first is that of s, to the nearest token. Tokens that are not masked step back by the exact posterior. At most S
    network evaluations (see `evaluate_changed`).

    Args:
        steps: S.
        sharpness: r of the paper, at least 0.

    Raises:
        ValueError: if `sharpness` is below 0.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.ABSORBING, NoiseFamily.MASK_REPLACE})
    source: ClassVar[str] = "Tang et al., 2022, arXiv 2205.16007"

    def __init__(self, steps: int = 25, sharpness: float = 1.0) -> None:
        super().__init__(steps)
        if sharpness < 0:
            raise ValueError(f"sharpness must be at least 0, not {sharpness}")
        self.sharpness = sharpness

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        time, earlier = 1 - step / self.steps, 1 - (step + 1) / self.steps
        logits = evaluate_changed(state, denoise, time, self.progress(step))
        num, vocab_size = logits.shape[1:]
        purity = logits.softmax(-1).amax(-1)
        purity = purity / purity.amax(1, keepdim=True)
        sharper = logits * (1 + self.sharpness * purity).unsqueeze(-1)
        clean = draw(sharper, state.noise.uniform(step, Stream.TOKEN, num))

        masked = state.ids == vocab_size
        left = masked.sum(1)
        total = state.memory.setdefault("total", left)
        target = (total * level_at(denoise, earlier).masked / level_at(denoise, 1.0).masked).round()
        # The largest of log purity plus Gumbel noise are draws in proportion to purity, without replacement.
        score = purity.log() + gumbel(state.noise.uniform(step, Stream.ORDER, num))
        rank = ranks(score.masked_fill(~masked, -torch.inf), descending=True)
        written = masked & (rank < (left - target)[:, None])
        moved = process_of(denoise).reverse(clean, state.ids, time, earlier, state.noise, step)
        return torch.where(written, clean, torch.where(masked, vocab_size, moved)), None
