"""Uniform diffusion: tokens are replaced by random codes.

Hoogeboom et al., 2021, "Argmax flows and multinomial diffusion", arXiv 2102.05379.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from lightgen.processes.variational import Variational
from lightgen.types import NoiseFamily, NoiseLevel

OFFSET = 0.008


class Uniform(Variational):
    """At time t a token is kept with share a_t, falling from 1 to 0, and else is a uniformly random code.

    q(z_t = k | z_0) = a_t [k = z_0] + (1 - a_t) / V, where a_t is c_t = cos(pi/2 (t + o) / (1 + o)) / cos(pi/2 o /
    (1 + o)) or its square, with o = 0.008.

    Args:
        vocab_size, num_steps, auxiliary, importance, informed: see `Variational`.
        schedule: `cosine`, a_t = c_t, is that of the two papers on discrete diffusion; `squared_cosine`, a_t = c_t^2,
            that of Nichol and Dhariwal, 2021, arXiv 2102.09672, eq. 17, where it is the variance kept of Gaussians.

    Raises:
        ValueError: if an argument is out of range.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.UNIFORM
    source: ClassVar[str] = "Hoogeboom et al., 2021, arXiv 2102.05379; Austin et al., 2021, arXiv 2107.03006"

    def __init__(
        self,
        vocab_size: int,
        num_steps: int = 100,
        auxiliary: float = 0.01,
        importance: bool = False,
        informed: bool = False,
        schedule: Literal["cosine", "squared_cosine"] = "squared_cosine",
    ) -> None:
        super().__init__(vocab_size, num_steps, auxiliary, importance, informed)
        if schedule not in ("cosine", "squared_cosine"):
            raise ValueError(f"schedule must be cosine or squared_cosine, not {schedule}")
        self.schedule = schedule

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        angle = (time_B + OFFSET) / (1 + OFFSET) * (math.pi / 2)
        start = math.cos(OFFSET / (1 + OFFSET) * math.pi / 2)
        cosine = angle.cos() / start
        # cos(pi / 2) is not quite 0 in floating point.
        kept = torch.where(time_B >= 1, 0.0, cosine if self.schedule == "cosine" else cosine.square()).clamp_max(1)
        return NoiseLevel(kept, torch.zeros_like(kept), 1 - kept)
