"""Classes, and other categories, as the style of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import nn

from lightgen.condition import Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise, Stream
from lightgen.labels import LABEL


class ClassLabel(Conditioner):
    """A category, (B,) int64 in [0, num_classes], to one learned vector each; num_classes is none, as hidden ones are.

    Without dropout no class was never trained, and is refused.

    Args:
        num_classes: at least 1. In a config, 0 takes as many as the data have, and no condition where they have none.
        dropout: see `Conditioner`.
        name: of the category: `label`, or a column of the data.

    Raises:
        ValueError: if a number is out of range, or the name is no identifier.
    """

    source: ClassVar[str] = "Ho and Salimans, 2022, arXiv 2207.12598"

    def __init__(self, num_classes: int, dropout: float = 0.1, name: str = LABEL) -> None:
        super().__init__(dropout)
        if not name.isidentifier():
            raise ValueError(f"name must be an identifier, not {name!r}")
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, not {num_classes}")
        self.num_classes, self.name = num_classes, name

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,)

    def attach(self, dim: int) -> None:
        self.embedding = nn.Embedding(self.num_classes + 1, dim)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        if self.name in condition.tensors:
            label = condition.tensors[self.name]
            if self.name in condition.hidden:
                label = label.masked_fill(condition.hidden[self.name], self.num_classes)
        else:
            label = torch.full((num_rows,), self.num_classes, device=self.embedding.weight.device)
        vector = self.embedding(label)
        if self.name in condition.weights:
            nothing, weight = self.embedding.weight[self.num_classes], condition.weights[self.name][:, None]
            vector = torch.lerp(nothing.expand_as(vector), vector, weight.to(vector.dtype))
        return Context(vector.unsqueeze(1))

    def require(self, condition: Condition) -> None:
        label, what = condition.tensors.get(self.name), "class" if self.name == LABEL else self.name
        last, null = self.num_classes - 1, self.num_classes if self.dropout else None
        if label is not None and bool(((label < 0) | (label > (null or last))).any()):
            given = ", ".join(map(str, sorted(set(label.tolist()))))
            nothing = f", or {null} for no {what}" if null else ""
            raise ValueError(f"{self.name} must be in [0, {last}]{nothing}, not {given}")
        weighs = self.name in condition.weights
        if null is None and (weighs or bool(condition.hidden.get(self.name, torch.tensor(False)).any())):
            raise ValueError(f"this prior was trained with a {what} for every picture, so that {self.name} cannot be "
                             "hidden or weighed")  # fmt: skip

    def complete(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        """Uniformly random classes where none are given."""
        if self.name in condition.tensors:
            return condition
        drawn = noise.integers(0, Stream.CONDITION, position + 1, self.num_classes)[:, position]
        return condition.replace(**{self.name: drawn})

    def require_data(self, conditions: Mapping[str, Sequence[str]] | None) -> None:
        if conditions is None or len(conditions.get(self.name, ())) == self.num_classes:
            return
        several = "classes" if self.name == LABEL else f"values of {self.name}"
        if found := conditions.get(self.name):
            have, remedy = f"have {len(found)} {several}", ""
        elif self.name == LABEL:
            have = "have no labels"
            remedy = "; --data.labels true takes subfolders for classes, --model.conditioner null does without classes"
        elif self.name in conditions:
            # Whole numbers without names: whoever wrote the config knows how many there are.
            return
        else:
            have, remedy = f"have no {self.name}", f"; --data.columns [{self.name}] reads that column"
        raise ValueError(f"the data {have}, but num_classes of the conditioner is {self.num_classes}{remedy}")
