"""Halton: tokens are written in a low-discrepancy order, so that those of one step lie far apart.

Besnier et al., 2025, "Halton scheduler for masked generative image transformer", arXiv 2503.17076.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.denoiser import Denoiser
from lightgen.functional.low_discrepancy import halton_rank
from lightgen.functional.random import Stream
from lightgen.samplers.base import State
from lightgen.samplers.unmasking import Unmasking
from lightgen.schedules import Arccos, Schedule


class Halton(Unmasking):
    """Write the tokens in the order of the 2-D Halton sequence.

    Args:
        steps: S.
        randomize: start the order elsewhere for each picture.
        schedule: share still masked; None is the arccosine.
    """

    source: ClassVar[str] = "Besnier et al., 2025, arXiv 2503.17076"

    def __init__(self, steps: int = 32, randomize: bool = False, schedule: Schedule | None = None) -> None:
        super().__init__(steps, schedule or Arccos())
        self.randomize = randomize

    def score(self, state: State, denoise: Denoiser, log_probability: Tensor, step: int) -> Tensor:
        num = log_probability.shape[1]
        cell_rank = halton_rank(denoise.grid).to(log_probability.device)
        # The codes of a cell follow one another.
        num_codes = num // len(cell_rank)
        rank = (cell_rank[:, None] * num_codes + torch.arange(num_codes, device=log_probability.device)).flatten()
        if self.randomize:
            rank = (rank + state.noise.integers(0, Stream.ORDER, 1, num)) % num
        return -rank.double().expand_as(log_probability)
