"""How to decode, beside a prior: sampler, warps and guidance as one value."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import ClassVar

from lightgen.guidance.base import Guidance
from lightgen.registry import Component
from lightgen.samplers.base import Sampler
from lightgen.warps import Warps


@dataclass(frozen=True)
class Recipe(Component):
    """What decoding needs beside a prior.

    Wherever a recipe may be left out, `None` means the prior's own, which `Prior.chosen` alone decides.

    Args:
        sampler: the loop that turns noise into ids.
        warps: temperature, top-k, top-p, typical mass.
        guidance: towards the condition; None does without.
    """

    kind: ClassVar[str] = "recipe"
    source: ClassVar[str] = "lightgen"

    sampler: Sampler
    warps: Warps = field(default_factory=Warps)
    guidance: Guidance | None = None

    def replace(self, **parts: object) -> Recipe:
        """The same recipe with other parts, e.g. `recipe.replace(sampler=MaskGIT(steps=8))`."""
        return dataclasses.replace(self, **parts)  # type: ignore[arg-type]
