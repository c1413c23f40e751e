"""Adaptive guidance: away from the picture with its least sure tokens masked again; priors without a condition too.

Li et al., 2025, "Adaptive classifier-free guidance via dynamic low-confidence masking", arXiv 2505.20199.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.guidance.base import ALL, Branch
from lightgen.guidance.ramps import Scaled


class AdaptiveGuidance(Scaled):
    """The away branch reads the current ids with a share of the written tokens masked, those of the lowest confidence.

    In the paper the confidence is that of the same step, so that one evaluation must wait for the other. Here it is
    that of the step before: the largest probability at each position, as the network last saw it, so that both branches
    run as one batch. Tokens that were given, and not written, stay.

    Args:
        scale: s; 1 is none.
        share: of the written tokens that the away branch does not see, in (0, 1]; but at least one.
        unconditional: whether the away branch is told no condition either.

    Raises:
        ValueError: if an argument is out of range.
    """

    source: ClassVar[str] = "Li et al., 2025, arXiv 2505.20199"
    needs_mask: ClassVar[bool] = True
    moves: ClassVar[bool] = False

    def __init__(self, scale: float = 2.0, share: float = 0.7, unconditional: bool = False) -> None:
        super().__init__(scale)
        if not 0 < share <= 1:
            raise ValueError(f"share must be in (0, 1], not {share}")
        self.share = share
        self.unconditional = unconditional

    @property
    def away(self) -> Branch:
        return Branch(hidden=ALL if self.unconditional else (), masked=self.share)

    @property
    def constant(self) -> bool:
        # The confidence is that of another step every time.
        return self.scale == 1.0

    def ramp(self, progress: Tensor) -> Tensor:
        return torch.ones_like(progress)
