"""Uniform diffusion: tokens are replaced by random codes.

Hoogeboom et al., 2021, "Argmax flows and multinomial diffusion", arXiv 2102.05379.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.processes.variational import Variational
from lightgen.types import NoiseFamily, NoiseLevel

OFFSET = 0.008


class Uniform(Variational):
    """At time t a token is kept with share cos^2, falling from 1 to 0, and else is a uniformly random code.

    q(z_t = k | z_0) = a_t [k = z_0] + (1 - a_t) / V, a_t = (cos(pi/2 (t + o) / (1 + o)) / cos(pi/2 o / (1 + o)))^2 with
    o = 0.008.

    Args:
        vocab_size, num_steps, auxiliary, importance, informed: see `Variational`.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.UNIFORM
    source: ClassVar[str] = "Hoogeboom et al., 2021, arXiv 2102.05379; Austin et al., 2021, arXiv 2107.03006"

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        angle = (time_B + OFFSET) / (1 + OFFSET) * (math.pi / 2)
        start = math.cos(OFFSET / (1 + OFFSET) * math.pi / 2)
        # cos(pi / 2) is not quite 0 in floating point.
        kept = torch.where(time_B >= 1, 0.0, (angle.cos() / start).square()).clamp_max(1)
        return NoiseLevel(kept, torch.zeros_like(kept), 1 - kept)
