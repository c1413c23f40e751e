"""Several conditioners on one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.types import Grid


class Mixed(Conditioner):
    """Vectors are added, tokens stand behind one another, vectors of cells are added.

    In training each part is hidden by its own `dropout`, and all together by that of this one. Where nothing is asked
    for, each part draws its own; where something is, the network has the rest to itself, as far as it was trained so.

    Args:
        parts: conditioners of different names.
        dropout: see `Conditioner`; here of all parts at once.

    Raises:
        ValueError: if there is no part, or two read the same name.
    """

    source: ClassVar[str] = "Balaji et al., 2022, arXiv 2211.01324"

    def __init__(self, parts: Sequence[Conditioner], dropout: float = 0.1) -> None:
        super().__init__(dropout)
        names = [name for part in parts for name in part.names]
        if not parts or len(set(names)) < len(names):
            raise ValueError(f"parts must be conditioners of different names, not of {', '.join(names) or 'none'}")
        self.parts = nn.ModuleList(parts)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for part in self._each() for name in part.names)

    @property
    def attended(self) -> bool:  # type: ignore[override]
        return any(part.attended for part in self._each())

    @property
    def num_tokens(self) -> int:
        numbers = [part.num_tokens for part in self._each() if part.attended]
        return sum(numbers) if all(numbers) else 0

    def place(self, layout: Layout) -> None:
        for part in self._each():
            part.place(layout)

    @property
    def reads_known(self) -> bool:  # type: ignore[override]
        return any(part.reads_known for part in self._each())

    def attach(self, dim: int) -> None:
        for part in self._each():
            part.attach(dim)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        found = [part(condition, num_rows) for part in self._each()]
        with_tokens = [context for context in found if context.tokens is not None]
        bias = regions = None
        if any(context.regions is not None for context in with_tokens):
            num_cells = next(context.regions.shape[1] for context in with_tokens if context.regions is not None)
            regions = torch.cat([_regions(context, num_cells) for context in with_tokens], 2)
        if any(context.bias is not None for context in with_tokens):
            bias = torch.cat([_bias(context) for context in with_tokens], 1)
        tokens = [context.tokens for context in with_tokens if context.tokens is not None]
        return Context(
            _total([context.vector for context in found]),
            torch.cat(tokens, 1) if tokens else None,
            bias,
            _total([context.cells for context in found]),
            regions,
        )

    @property
    def num_choices(self) -> int:
        return 1 + sum(part.num_choices for part in self._each())

    def hide(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        after = position + 1
        for part in self._each():
            condition = part.hide(condition, noise, after)
            after += part.num_choices
        return super().hide(condition, noise, position)

    def require(self, condition: Condition) -> None:
        for part in self._each():
            part.require(condition)

    def complete(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        asked = bool(condition)
        for place, part in enumerate(self._each()):
            # A random class would contradict the text, and style is drawn by the network as the data have it.
            if not (asked and part.hides(part.names)):
                condition = part.complete(condition, noise, position + place)
        return condition

    def ahead(self, condition: Condition) -> Condition:
        for part in self._each():
            condition = part.ahead(condition)
        return condition

    def learn(self, texts: Sequence[str]) -> None:
        for part in self._each():
            part.learn(texts)

    def holes(self, grid: Grid, noise: Noise) -> Tensor | None:
        return next((part.holes(grid, noise) for part in self._each() if part.reads_known), None)

    def hides(self, names: Sequence[str]) -> bool:
        concerned = [part for part in self._each() if set(part.names) & set(names)]
        return (self.dropout > 0 and set(names) >= set(self.names)) or all(part.hides(names) for part in concerned)

    def require_data(self, conditions: Mapping[str, Sequence[str]] | None) -> None:
        for part in self._each():
            part.require_data(conditions)

    def _each(self) -> list[Conditioner]:
        return list(self.parts)  # type: ignore[arg-type]


def _total(vectors: Sequence[Tensor | None]) -> Tensor | None:
    there = [vector for vector in vectors if vector is not None]
    return sum(there[1:], there[0]) if there else None


def _bias(context: Context) -> Tensor:
    assert context.tokens is not None
    return context.tokens.new_zeros(context.tokens.shape[:2]) if context.bias is None else context.bias


def _regions(context: Context, num_cells: int) -> Tensor:
    assert context.tokens is not None
    rows, length, _ = context.tokens.shape
    return context.tokens.new_zeros(rows, num_cells, length) if context.regions is None else context.regions
