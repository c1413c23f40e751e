"""SUNDAE decoding: redraw a random share of the tokens at every step until nothing moves.

McKinney and Willcocks, 2022, "Megapixel image generation with step-unrolled denoising autoencoders",
arXiv 2206.12351.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler
from lightgen.samplers.state import State
from lightgen.types import NoiseFamily


class SUNDAE(Sampler):
    """Draw a proposal for every token, write a random share of it, stop each picture by itself.

    y ~ p(. | x_k), then x_{k+1} = m y + (1 - m) x_k with m ~ Bernoulli(update), token by token.

    Networks that read the time are told 1 - k / S at step k.

    Args:
        steps: S, the most steps a picture may take.
        update: probability in (0, 1] that a proposed token is written, at the first step.
        update_end: the same at the last step, linear in between; None keeps `update`.
        min_steps: no picture stops during these first steps.
        patience: stop a picture after so many steps in a row whose proposal differs from it in no token;
            None never stops early.

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
        self.min_steps = min_steps
        self.patience = patience

    def start(self, state: State, denoise: Denoiser) -> State:
        return state.remember(quiet=torch.zeros_like(state.rows))

    def step(self, state: State, denoise: Denoiser, clock: Clock) -> tuple[Tensor, Tensor | None]:
        num = state.ids.shape[1]
        proposal = denoise(state.ids, clock).draw(state.noise.uniform(clock.step, Stream.TOKEN, num))
        share = self.update + (self.update_end - self.update) * clock.progress
        written = state.noise.uniform(clock.step, Stream.UPDATE, num) < share.float()[:, None]
        return torch.where(written, proposal, state.ids), self._finished(state, proposal, clock)

    def _finished(self, state: State, proposal: Tensor, clock: Clock) -> Tensor | None:
        # The proposal, not the written part, decides: else a small `update` would look like rest.
        if self.patience is None:
            return None
        quiet = ((proposal == state.ids) | state.known).all(1) & (clock.step >= self.min_steps)
        state.memory["quiet"] = torch.where(quiet, state.memory["quiet"] + 1, 0)
        return state.memory["quiet"] >= self.patience
