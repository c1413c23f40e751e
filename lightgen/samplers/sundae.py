"""SUNDAE decoding: redraw a random share of the tokens at every step until nothing moves.

McKinney and Willcocks, 2022, "Megapixel image generation with step-unrolled denoising autoencoders",
arXiv 2206.12351.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw
from lightgen.functional.random import Stream
from lightgen.samplers.base import Sampler, State
from lightgen.types import NoiseFamily


class SUNDAE(Sampler):
    """Draw a proposal for every token, write a random share of it, stop each picture by itself.

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

    def step(self, state: State, denoise: Denoiser, step: int) -> tuple[Tensor, Tensor | None]:
        progress = self.progress(step)
        num = state.ids.shape[1]
        logits = denoise(state.ids, 1 - step / self.steps, progress)
        proposal = draw(logits, state.noise.uniform(step, Stream.TOKEN, num))
        share = self.update + (self.update_end - self.update) * progress
        written = state.noise.uniform(step, Stream.UPDATE, num) < share
        return torch.where(written, proposal, state.ids), self._finished(state, proposal, step)

    def _finished(self, state: State, proposal: Tensor, step: int) -> Tensor | None:
        # The proposal, not the written part, decides: else a small `update` would look like rest.
        if self.patience is None or step < self.min_steps:
            return None
        quiet = ((proposal == state.ids) | state.known).all(1)
        in_a_row = torch.where(quiet, state.memory.get("quiet", torch.zeros_like(state.rows)) + 1, 0)
        state.memory["quiet"] = in_a_row
        return in_a_row >= self.patience
