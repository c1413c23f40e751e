"""Several guidances at once.

Liu et al., 2022, "Compositional visual generation with composable diffusion models", arXiv 2206.01714, in the form of
differences from what the batch is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import ClassVar, Self

from torch import Tensor

from lightgen.clock import Clock
from lightgen.guidance.base import TOWARDS, Branch, Guidance
from lightgen.registry import changed, describe


class Sum(Guidance):
    """l + sum over i of (g_i(l) - l), where l are the logits of the condition: each guidance's push, added up.

    With classifier-free guidances that hide one name each this is l + sum of (s_i - 1) (l - l_i). The order of the
    parts makes no difference, to the bit, and branches that several ask for are evaluated once.

    Args:
        parts: guidances, each with a scale of its own.

    Raises:
        ValueError: if there is none.
    """

    source: ClassVar[str] = "Liu et al., 2022, arXiv 2206.01714"

    def __init__(self, parts: Sequence[Guidance]) -> None:
        if not parts:
            raise ValueError("parts must hold at least one guidance")
        # Sums of floating-point numbers depend on their order.
        self.parts = sorted(parts, key=lambda part: json.dumps(describe(part), sort_keys=True))

    def numbered(self, classes: Sequence[str] | None) -> Self:
        parts = [part.numbered(classes) for part in self.parts]
        return self if parts == self.parts else changed(self, parts=parts)

    @property
    def needs_mask(self) -> bool:  # type: ignore[override]
        return any(part.needs_mask for part in self.parts)

    @cached_property
    def branches(self) -> tuple[Branch, ...]:
        first = () if len(self.parts) == 1 else (TOWARDS,)
        return tuple(dict.fromkeys([*first, *(branch for part in self.parts for branch in part.branches)]))

    @property
    def constant(self) -> bool:
        return all(part.constant for part in self.parts)

    def combine(self, logits: Mapping[Branch, Tensor], ids_AN: Tensor, clock: Clock) -> Tensor:
        if len(self.parts) == 1:
            return self.parts[0].combine(logits, ids_AN, clock)
        towards = logits[TOWARDS].float()
        pushes = [part.combine(logits, ids_AN, clock) - towards for part in self.parts if part.branches != (TOWARDS,)]
        total = towards
        for push in pushes:
            total = total + push
        return total
