"""Class labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import nn

from lightgen.condition import Condition, Context
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise, Stream


class ClassLabel(Conditioner):
    """`label`, (B,) int64 in [0, num_classes], to one learned vector each; num_classes is no class, as hidden ones are.

    Without dropout no class was never trained, and is refused.

    Args:
        num_classes: at least 1. In a config, 0 takes as many as the data have, and no condition where they have none.
        dropout: see `Conditioner`.

    Raises:
        ValueError: if a number is out of range.
    """

    source: ClassVar[str] = "Ho and Salimans, 2022, arXiv 2207.12598"

    def __init__(self, num_classes: int, dropout: float = 0.1) -> None:
        super().__init__(dropout)
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, not {num_classes}")
        self.num_classes = num_classes

    @property
    def names(self) -> tuple[str, ...]:
        return ("label",)

    def attach(self, dim: int) -> None:
        self.embedding = nn.Embedding(self.num_classes + 1, dim)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        if "label" in condition.tensors:
            label = condition.tensors["label"]
            if "label" in condition.hidden:
                label = label.masked_fill(condition.hidden["label"], self.num_classes)
        else:
            label = torch.full((num_rows,), self.num_classes, device=self.embedding.weight.device)
        return Context(self.embedding(label).unsqueeze(1))

    def require(self, condition: Condition) -> None:
        label = condition.tensors.get("label")
        last, null = self.num_classes - 1, self.num_classes if self.dropout else None
        if label is not None and bool(((label < 0) | (label > (null or last))).any()):
            given = ", ".join(map(str, sorted(set(label.tolist()))))
            nothing = f", or {null} for no class" if null else ""
            raise ValueError(f"label must be in [0, {last}]{nothing}, not {given}")
        if null is None and bool(condition.hidden.get("label", torch.tensor(False)).any()):
            raise ValueError("this prior was trained with a class for every picture, so that label cannot be hidden")

    def complete(self, condition: Condition, noise: Noise) -> Condition:
        """Uniformly random classes where none are given."""
        if "label" in condition.tensors:
            return condition
        return condition.replace(label=noise.integers(0, Stream.CONDITION, 1, self.num_classes).squeeze(1))

    def require_data(self, class_names: Sequence[str] | None) -> None:
        if class_names is not None and len(class_names) != self.num_classes:
            have = f"have {len(class_names)} classes" if class_names else "have no labels"
            remedy = (
                ""
                if class_names
                else (
                    "; --data.labels true takes subfolders for classes, --model.conditioner null does without classes"
                )
            )
            raise ValueError(f"the data {have}, but num_classes of the conditioner is {self.num_classes}{remedy}")
