"""How sharply a prior is sampled: temperature, then top-k, top-p and typical mass, the same for every sampler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from lightgen.functional import warps
from lightgen.registry import Component


@dataclass(frozen=True)
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
            if value is not None and value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
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

    def __call__(self, logits: Tensor, progress: float = 0.0) -> Tensor:
        """Warped logits (..., V); `progress` is 0 at the first step and 1 at the last."""
        end = self.temperature if self.temperature_end is None else self.temperature_end
        logits = warps.temperature(logits, self.temperature + (end - self.temperature) * progress)
        if self.top_k is not None:
            logits = warps.top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = warps.top_p(logits, self.top_p)
        if self.typical is not None:
            logits = warps.typical(logits, self.typical)
        return logits
