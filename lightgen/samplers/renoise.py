"""Renoising: draw every token, then put a share of the first noise back.

Rampas et al., 2022, "A novel sampling scheme for text- and image-conditional image synthesis in quantized latent
spaces" (Paella), arXiv 2211.07292.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.samplers.diffusion import evaluate_changed, level_at
from lightgen.types import NoiseFamily


class Renoise(Sampler):
    """Draw a picture from each noisy one, and corrupt it to the next lower level with the noise it started from.

    In the paper the temperature falls from 1 to 0.2. At most S network evaluations (see `evaluate_changed`).

    Args:
        steps: S.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.UNIFORM})
    source: ClassVar[str] = "Rampas et al., 2022, arXiv 2211.07292"

    def __init__(self, steps: int = 12) -> None:
        super().__init__(steps)

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        first = state.memory.setdefault("first", state.ids)
        logits = evaluate_changed(state, denoise, 1 - step / self.steps, self.progress(step))
        clean = draw(logits, state.noise.uniform(step, Stream.TOKEN, state.ids.shape[1]))
        kept = level_at(denoise, 1 - (step + 1) / self.steps).kept
        choice = state.noise.uniform(step, Stream.FORWARD, state.ids.shape[1]).double()
        return torch.where(choice < kept, clean, first), None
