"""How to decode, beside a prior: sampler, warps and guidance as one value."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

from lightgen.guidance.base import Guidance
from lightgen.guidance.ramps import ConstantGuidance
from lightgen.registry import Component, arguments, changed, find
from lightgen.samplers.base import Sampler
from lightgen.warps import Warps


@dataclass(frozen=True, repr=False)
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

    @property
    def branches(self) -> int:
        """Network evaluations of a step that asks once: those of the branches of guidance."""
        return 1 if self.guidance is None else len(self.guidance.branches)

    def num_evaluations(self, num_tokens: int) -> int:
        """The most network evaluations that a picture of so many tokens may take."""
        return self.sampler.num_evaluations(num_tokens, self.branches)

    def replace(self, **parts: object) -> Recipe:
        """The same recipe with other parts, e.g. `recipe.replace(sampler=MaskGIT(steps=8))`."""
        return dataclasses.replace(self, **parts)  # type: ignore[arg-type]

    def changed(
        self,
        *,
        sampler: Sampler | str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        guidance: Guidance | float | None = None,
    ) -> Recipe:
        """The same recipe but for what is given: all other settings of sampler, warps and guidance stay.

        Args:
            sampler: one, or the name of a class, which is made with its own defaults.
            steps: of the sampler.
            temperature: at the first step.
            guidance: one, or a scale for that of the recipe; 1 is no guidance.

        Raises:
            ValueError: if a value is of another type or out of range, or the sampler takes no steps.

        >>> recipe = lightgen.load("zoo:icons64-sundae").recipe
        >>> recipe.changed(steps=8, guidance=3).sampler
        SUNDAE(steps=8, update=0.5, min_steps=10, patience=2, unchanged='written')
        """
        parts: dict[str, Any] = {}
        if sampler is not None:
            parts["sampler"] = _sampler(sampler)
        if steps is not None:
            if not isinstance(steps, int):
                raise ValueError(f"steps must be a whole number, not {steps!r}")
            parts["sampler"] = changed(parts.get("sampler", self.sampler), steps=steps)
        if temperature is not None:
            if not isinstance(temperature, Real):
                raise ValueError(f"temperature must be a number, not {temperature!r}")
            parts["warps"] = changed(self.warps, temperature=temperature)
        if guidance is not None:
            parts["guidance"] = self._guidance(guidance)
        return self.replace(**parts)

    def _guidance(self, given: Guidance | float) -> Guidance:
        if isinstance(given, Guidance):
            return given
        if not isinstance(given, Real):
            raise ValueError(f"guidance must be a Guidance or its scale, not {given!r}")
        if self.guidance is not None and "scale" in arguments(self.guidance):
            return changed(self.guidance, scale=float(given))
        return ConstantGuidance(float(given))


def _sampler(given: Sampler | str) -> Sampler:
    if isinstance(given, Sampler):
        return given
    if not isinstance(given, str):
        raise ValueError(f"sampler must be a Sampler or the name of one, not {given!r}")
    made = find(Sampler.kind, given)()
    assert isinstance(made, Sampler)
    return made
