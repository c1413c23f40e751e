"""Renoising: draw every token, then put a share of the first noise back.

Rampas et al., 2022, "A novel sampling scheme for text- and image-conditional image synthesis in quantized latent
spaces" (Paella), arXiv 2211.07292.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import process_of
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class Renoise(Sampler):
    """Draw a picture from each noisy one, and corrupt it to the next lower level with the noise it started from.

    x ~ p(. | z_t), then z_s = m x + (1 - m) z_1 with m ~ Bernoulli(a_s), where a_s is the share kept at time s.

    In the paper the temperature falls from 1 to 0.2. At most S network evaluations: see
    `Sampler.revisits`.

    Args:
        steps: S.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.UNIFORM})
    revisits: ClassVar[bool] = True
    source: ClassVar[str] = "Rampas et al., 2022, arXiv 2211.07292"

    def __init__(self, steps: int = 12) -> None:
        super().__init__(steps)

    def start(self, state: State, denoise: Denoiser) -> State:
        first = state.ids
        if state.start < 1:
            start = torch.full_like(state.rows, state.start, dtype=torch.float64)
            first = process_of(denoise).forward_from(first, start, torch.ones_like(start), state.noise, 0)
        return state.remember(first=first)

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        num = state.ids.shape[1]
        clean = denoise(state.ids, clock).draw(state.noise.uniform(clock.step, Stream.TOKEN, num))
        kept = process_of(denoise).noise_level((1 - clock.done(self.steps)).expand_as(clock.time)).kept
        choice = state.noise.uniform(clock.step, Stream.FORWARD, num).double()
        return torch.where(choice < kept[:, None], clean, state.memory["first"]), None
