"""Ancestral sampling: back through time by the exact posterior of steps of any length.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.samplers.base import Sampler, State
from lightgen.types import NoiseFamily


class Ancestral(Sampler):
    """Draw z_s from p(z_s | z_t) for S equal steps from time 1 to time 0.

    Args:
        steps: S, not bound to the number of steps in training.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset(
        {NoiseFamily.ABSORBING, NoiseFamily.UNIFORM, NoiseFamily.MASK_REPLACE}
    )
    source: ClassVar[str] = "Austin et al., 2021, arXiv 2107.03006"

    def __init__(self, steps: int = 64) -> None:
        super().__init__(steps)

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        time, earlier = 1 - step / self.steps, 1 - (step + 1) / self.steps
        time_A = torch.full(state.rows.shape, time, device=state.ids.device)
        logits = denoise(state.ids, time_A, self.progress(step))
        if denoise.process is None:
            raise ValueError("Ancestral needs the process that the network was trained with")
        return denoise.process.reverse(logits, state.ids, time, earlier, state.noise, step), None
