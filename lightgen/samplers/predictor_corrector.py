"""Predictor and corrector in one: go back further than the step asks for, then forward again.

Campbell et al., 2024, "Generative flows on discrete state-spaces", arXiv 2402.04997; Gat et al., 2024, "Discrete flow
matching", arXiv 2407.15595.
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


class PredictorCorrector(Sampler):
    """From t to s: back to max(0, s - eta (t - s)) by the exact posterior, then forward to s by the corruption.

    What goes forward is drawn anew later, so that tokens drawn independently get to agree; the noise level stays that
    of ancestral sampling, which this is where eta is 0. Here eta = strength t^rise (1 - t)^fall. At most S network
    evaluations (see `evaluate_changed`).

    Args:
        steps: S.
        strength: of the correction, at least 0.
        rise: power of t, at least 0.
        fall: power of 1 - t, at least 0.

    Raises:
        ValueError: if an argument is below its bound.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset(
        {NoiseFamily.ABSORBING, NoiseFamily.UNIFORM, NoiseFamily.MASK_REPLACE}
    )
    source: ClassVar[str] = "Campbell et al., 2024, arXiv 2402.04997; Gat et al., 2024, arXiv 2407.15595"

    def __init__(self, steps: int = 64, strength: float = 1.0, rise: float = 0.25, fall: float = 0.25) -> None:
        super().__init__(steps)
        for name, value in (("strength", strength), ("rise", rise), ("fall", fall)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        self.strength, self.rise, self.fall = strength, rise, fall

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        time, earlier = 1 - step / self.steps, 1 - (step + 1) / self.steps
        eta = self.strength * time**self.rise * (1 - time) ** self.fall
        beyond = max(0.0, earlier - eta * (time - earlier))
        logits = evaluate_changed(state, denoise, time, self.progress(step))
        clean = draw(logits, state.noise.uniform(step, Stream.TOKEN, state.ids.shape[1]))
        process = process_of(denoise)
        ids = process.reverse(clean, state.ids, time, beyond, state.noise, step)
        return process.forward_from(ids, beyond, earlier, state.noise, step), None
