"""Predictor and corrector in one: go back further than the step asks for, then forward again.

Campbell et al., 2024, "Generative flows on discrete state-spaces", arXiv 2402.04997; Gat et al., 2024, "Discrete flow
matching", arXiv 2407.15595.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import level_left_out, process_of
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class PredictorCorrector(Sampler):
    """From t to s: back to max(0, s - eta (t - s)) by the exact posterior, then forward to s by the corruption.

    What goes forward is drawn anew later, so that tokens drawn independently get to agree; the noise level stays that
    of ancestral sampling, which this is where eta is 0. Here eta = strength t^rise (1 - t)^fall. At most S network
    evaluations: see `Sampler.revisits`.

    Args:
        steps: S.
        strength: of the correction, at least 0.
        rise: power of t, at least 0.
        fall: power of 1 - t, at least 0.
        leave_one_out: see `Ancestral`.

    Raises:
        ValueError: if an argument is below its bound.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset(
        {NoiseFamily.ABSORBING, NoiseFamily.UNIFORM, NoiseFamily.MASK_REPLACE}
    )
    revisits: ClassVar[bool] = True
    exact: ClassVar[str] = "in the limit of many steps, but for `SUNDAE` priors"
    source: ClassVar[str] = "Campbell et al., 2024, arXiv 2402.04997; Gat et al., 2024, arXiv 2407.15595"

    def __init__(
        self,
        steps: int = 64,
        strength: float = 1.0,
        rise: float = 0.25,
        fall: float = 0.25,
        leave_one_out: bool = True,
    ) -> None:
        super().__init__(steps)
        for name, value in (("strength", strength), ("rise", rise), ("fall", fall)):
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        self.strength, self.rise, self.fall = strength, rise, fall
        self.leave_one_out = leave_one_out

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        time = clock.time
        earlier = (1 - clock.done(self.steps)).expand_as(time)
        eta = self.strength * time**self.rise * (1 - time) ** self.fall
        beyond = (earlier - eta * (time - earlier)).clamp_min(0.0)
        level = level_left_out(self.leave_one_out and state.start == 1, denoise, time)
        prediction = denoise(state.ids, clock, level)
        clean = prediction.draw(state.noise.uniform(clock.step, Stream.TOKEN, state.ids.shape[1]))
        process = process_of(denoise)
        ids = process.reverse(clean, state.ids, time, beyond, state.noise, clock.step)
        return process.forward_from(ids, beyond, earlier, state.noise, clock.step), None
