"""SUNDAE decoding: redraw a random share of the tokens at every step until nothing moves.

McKinney and Willcocks, 2022, "Megapixel image generation with step-unrolled denoising autoencoders",
arXiv 2206.12351.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler
from lightgen.samplers.diffusing import by_noise, unwritten
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class SUNDAE(Sampler):
    """Draw a proposal for every token, write a random share of it, stop each picture by itself.

    y ~ p(. | x_k), then x_{k+1} = m y + (1 - m) x_k with m ~ Bernoulli(update), token by token.

    Networks that read the time are told the one at which as many tokens are noise as were never written.

    Args:
        steps: S, the most steps a picture may take.
        update: probability in (0, 1] that a proposed token is written, at the first step.
        update_end: the same at the last step, linear in between; None keeps `update`.
        min_steps: no picture stops during these first steps.
        patience: stop a picture after so many steps in a row that leave it unchanged; None never stops early.
        unchanged: what must be equal to the picture in such a step, `written`, the ids after it, or `proposal`, all
            that was drawn, which is stricter where `update` is below 1.

    Raises:
        ValueError: if an argument is out of range.
    """

    accepts: ClassVar[frozenset[NoiseFamily]] = frozenset({NoiseFamily.UNIFORM})
    source: ClassVar[str] = "McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(
        self,
        steps: int = 100,
        update: float = 0.5,
        update_end: float | None = None,
        min_steps: int = 10,
        patience: int | None = 1,
        unchanged: Literal["written", "proposal"] = "written",
    ) -> None:
        super().__init__(steps)
        self.update = update
        self.update_end = update if update_end is None else update_end
        for name, share in (("update", self.update), ("update_end", self.update_end)):
            if not 0 < share <= 1:
                raise ValueError(f"{name} must be in (0, 1], not {share}")
        if min_steps < 0:
            raise ValueError(f"min_steps must be at least 0, not {min_steps}")
        if patience is not None and patience < 1:
            raise ValueError(f"patience must be at least 1 or null, not {patience}")
        if unchanged not in ("written", "proposal"):
            raise ValueError(f"unchanged must be written or proposal, not {unchanged}")
        self.min_steps = min_steps
        self.patience = patience
        self.unchanged = unchanged

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(quiet=torch.zeros_like(state.rows), unwritten=unwritten(state, denoise))

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        num, clock = state.ids.shape[1], by_noise(clock, state.memory["unwritten"], denoise)
        proposal = denoise(state.ids, clock).draw(state.noise.uniform(clock.step, Stream.TOKEN, num))
        share = self.update + (self.update_end - self.update) * clock.progress
        state.memory["unwritten"] = state.memory["unwritten"] * (1 - share)
        written = state.noise.uniform(clock.step, Stream.UPDATE, num) < share.float()[:, None]
        ids = torch.where(written, proposal, state.ids)
        return ids, self._finished(state, ids if self.unchanged == "written" else proposal, clock)

    def _finished(self, state: State, ids: Tensor, clock: Clock) -> Tensor | None:
        if self.patience is None:
            return None
        quiet = ((ids == state.ids) | state.known).all(1) & (clock.step >= self.min_steps)
        state.memory["quiet"] = torch.where(quiet, state.memory["quiet"] + 1, 0)
        return state.memory["quiet"] >= self.patience
