"""Ancestral sampling: back through time by the exact posterior of steps of any length.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.samplers.diffusion import evaluate_changed, process_of
from lightgen.types import NoiseFamily


class Ancestral(Sampler):
    """Draw z_s from p(z_s | z_t) for S equal steps from time 1 to time 0.

    A step that left a picture as it was needs no new network evaluation, where the network does not read the time:
    then absorbing diffusion takes at most min(S, N) of them.

    Args:
        steps: S, not bound to the number of steps in training.
        start: the time in (0, 1] at which the given ids are taken to stand; below 1 it varies or mends them.

    Raises:
        ValueError: if `start` is out of range.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset(
        {NoiseFamily.ABSORBING, NoiseFamily.UNIFORM, NoiseFamily.MASK_REPLACE}
    )
    source: ClassVar[str] = "Austin et al., 2021, arXiv 2107.03006"

    def __init__(self, steps: int = 64, start: float = 1.0) -> None:
        super().__init__(steps)
        if not 0 < start <= 1:
            raise ValueError(f"start must be in (0, 1], not {start}")
        self.start = start

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        time, earlier = (self.start * (1 - number / self.steps) for number in (step, step + 1))
        logits = evaluate_changed(state, denoise, time, self.progress(step))
        clean = draw(logits, state.noise.uniform(step, Stream.TOKEN, state.ids.shape[1]))
        ids = process_of(denoise).reverse(clean, state.ids, time, earlier, state.noise, step)
        return ids, None
