"""How sharply a prior is sampled: temperature, then top-k, top-p and typical mass, the same for every sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.functional import warping
from lightgen.registry import Component

SHARPEST = 1e-6
"""The smallest temperature above 0: with smaller ones, logits would leave the numbers that float32 has."""


@dataclass(frozen=True, repr=False)
class Warps(Component):
    """Logit warps over the course of sampling.

    Args:
        temperature: divides the logits at the first step; 0 is greedy.
        temperature_end: at the last step, linear in between; None keeps `temperature`.
        top_k: keep only the k most likely ids; None keeps all.
        top_p: keep the smallest set of ids with this mass, in (0, 1]; None keeps all.
        typical: keep the ids of the most typical surprise up to this mass, in (0, 1]; None keeps all.

    Raises:
        ValueError: if a value is out of range.
    """

    kind: ClassVar[str] = "warps"
    source: ClassVar[str] = (
        "Fan et al., 2018, arXiv 1805.04833; Holtzman et al., 2020, arXiv 1904.09751; "
        "Meister et al., 2023, arXiv 2202.00666"
    )

    temperature: float = 1.0
    temperature_end: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    typical: float | None = None

    def __post_init__(self) -> None:
        for name in ("temperature", "temperature_end"):
            value = getattr(self, name)
            if value is not None and value != 0 and not SHARPEST <= value < torch.inf:
                raise ValueError(f"{name} must be 0, or a number from {SHARPEST} on, not {value}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1, not {self.top_k}")
        for name in ("top_p", "typical"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                raise ValueError(f"{name} must be in (0, 1], not {value}")

    @property
    def constant(self) -> bool:
        """Whether the warps are the same at every step."""
        return self.temperature_end in (None, self.temperature)

    @property
    def greedy(self) -> bool:
        """Whether they leave one id of each token, at every step."""
        return self.top_k == 1 or (self.constant and self.temperature == 0)

    @property
    def none(self) -> bool:
        """Whether they change nothing."""
        return self.constant and self.temperature == 1 and self.top_k is self.top_p is self.typical is None

    def __call__(
        self, logits: Tensor, progress: Tensor | None = None, ids: Tensor | None = None, evidence: Tensor | None = None
    ) -> Tensor:
        """Warped logits (A, ..., V).

        Args:
            logits: of the clean ids.
            progress: (A,) of each picture, from 0 to 1; None is 0.
            ids: (A, ...) the current ids, where there is `evidence`.
            evidence: (A, ...) how much the noisy id itself speaks for the clean one being the same, in nats (see
                `lightgen.functional.warping.evidence`). What is warped is what the other tokens say; it is added again.
        """
        if self.none:
            return logits
        if evidence is None or ids is None:
            return self._warped(logits, progress)
        there = ids.clamp_max(logits.shape[-1] - 1).unsqueeze(-1)
        evidence = evidence.to(logits).unsqueeze(-1)
        others = self._warped(logits.scatter_add(-1, there, -evidence), progress)
        return others.scatter_add(-1, there, evidence)

    def _warped(self, logits: Tensor, progress: Tensor | None) -> Tensor:
        value = self._temperature(progress, logits.ndim)
        positive = isinstance(value, Tensor) and 0 not in (self.temperature, self.temperature_end)
        logits = logits / value if positive else warping.temperature(logits, value)
        if self.top_k is not None:
            logits = warping.top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = warping.top_p(logits, self.top_p)
        if self.typical is not None:
            logits = warping.typical(logits, self.typical)
        return logits

    def _temperature(self, progress: Tensor | None, ndim: int) -> float | Tensor:
        if self.temperature_end is None or self.constant or progress is None:
            return self.temperature
        value = self.temperature + (self.temperature_end - self.temperature) * progress
        return value.to(torch.get_default_dtype()).view(-1, *(1,) * (ndim - 1))
