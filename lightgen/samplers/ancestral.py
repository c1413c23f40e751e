"""Ancestral sampling: back through time by the exact posterior of steps of any length.

Austin et al., 2021, "Structured denoising diffusion models in discrete state-spaces", arXiv 2107.03006.
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


class Ancestral(Sampler):
    """Draw z_s from p(z_s | z_t) = sum over x of p(x | z_t) q(z_s | z_t, x), for S equal steps from time 1 to time 0.

    A step that left a picture as it was needs no new network evaluation, where the network does not read the time:
    then absorbing diffusion takes at most min(S, N) of them.

    Args:
        steps: S, not bound to the number of steps in training.
        leave_one_out: on uniform noise, where the network reads the time, let temperature and cuts sharpen what the
            other tokens say of one, and not that it says so itself, or noise that is there is kept (Gourevitch et al.,
            2026, arXiv 2605.22765). From all noise only: from a picture it would sharpen away what is given.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset(
        {NoiseFamily.ABSORBING, NoiseFamily.UNIFORM, NoiseFamily.MASK_REPLACE}
    )
    revisits: ClassVar[bool] = True
    nfe: ClassVar[str] = "S; absorbing at most min(S, N)"
    revises: ClassVar[str] = "but for absorbing"
    exact: ClassVar[str] = "in the limit of many steps, but for `SUNDAE` priors"
    source: ClassVar[str] = "Austin et al., 2021, arXiv 2107.03006; Gourevitch et al., 2026, arXiv 2605.22765"

    def __init__(self, steps: int = 64, leave_one_out: bool = True) -> None:
        super().__init__(steps)
        self.leave_one_out = leave_one_out

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        earlier = (1 - clock.done(self.steps)).expand_as(clock.time)
        level = level_left_out(self.leave_one_out and state.start == 1, denoise, clock.time)
        prediction = denoise(state.ids, clock, level)
        clean = prediction.draw(state.noise.uniform(clock.step, Stream.TOKEN, state.ids.shape[1]))
        process = process_of(denoise)
        ids = process.reverse(clean, state.ids, clock.time, earlier, state.noise, clock.step)
        # What absorbing noise has left is never noise again.
        return ids, (ids != denoise.layout.mask).all(1) if process.family is NoiseFamily.ABSORBING else None
