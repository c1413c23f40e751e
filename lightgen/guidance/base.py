"""The contract of guidance: what the network is asked beside the condition itself, and how the answers are mixed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Self

import torch
from torch import Tensor

from lightgen.clock import Clock
from lightgen.condition import Condition
from lightgen.functional.categorical import ranks
from lightgen.labels import Label, class_number
from lightgen.registry import Component

ALL = ("*",)
"""Of `Branch.hidden`: every name."""


# No dataclass: as a key of a dict, the compiler of torch 2.7 would not take it.
class Branch(NamedTuple):
    """One thing that the network is asked: the batch's condition, changed, and its ids, changed.

    Branches are values: equal ones are asked once.

    Args:
        hidden: names that it is not told; `ALL` hides every one. Where the batch has a negative condition, that stands
            in their place.
        replaced: names and the class that all rows are given under each, e.g. `(("label", 3),)`.
        masked: share of the tokens already written that are MASK again, those of the lowest confidence.
    """

    hidden: tuple[str, ...] = ()
    replaced: tuple[tuple[str, Label], ...] = ()
    masked: float = 0.0

    def condition(self, given: Condition, negative: Condition) -> Condition:
        """What the network is told, of what the batch is asked for and what it is to go away from."""
        names = tuple(given.tensors) if self.hidden == ALL else self.hidden
        told = given.hide(*names) if names else given
        told = told.update(negative if self.hidden == ALL else negative.keep(names))
        others = {name: class_number(label, None) for name, label in self.replaced if name in given.tensors}
        return told.replace(**{name: torch.full_like(given.tensors[name], i) for name, i in others.items()})

    def ids(self, ids_AN: Tensor, confidence_AN: Tensor, mask: int) -> Tensor:
        """What the network reads, (A, N) ids.

        Args:
            ids_AN: the current ones.
            confidence_AN: of each token; infinite where a token was given.
            mask: the id of MASK.
        """
        if self.masked == 0:
            return ids_AN
        written = (ids_AN != mask) & confidence_AN.isfinite()
        num = written.sum(1, keepdim=True)
        count = torch.minimum((num * self.masked).floor().clamp_min(1), num)
        return ids_AN.masked_fill(ranks(confidence_AN.masked_fill(~written, torch.inf)) < count, mask)


TOWARDS = Branch()
"""What the batch is asked for itself."""


class Guidance(Component):
    """Mixes the logits of several branches. All branches of a step are evaluated as one batch."""

    kind: ClassVar[str] = "guidance"
    needs_mask: ClassVar[bool] = False
    """Whether it masks tokens, and so wants a prior that knows MASK."""

    @property
    @abstractmethod
    def branches(self) -> tuple[Branch, ...]:
        """What the network is asked, each once: as many network evaluations as a step costs."""

    @property
    @abstractmethod
    def constant(self) -> bool:
        """Whether equal ids give equal logits at every step."""

    def numbered(self, classes: Sequence[str] | None) -> Self:
        """The same guidance with classes by number that it was given by name.

        Args:
            classes: names by number; None where nobody knows them.

        Raises:
            ValueError: if there is no such class.
        """
        return self

    @abstractmethod
    def combine(self, logits: Mapping[Branch, Tensor], ids_AN: Tensor, clock: Clock) -> Tensor:
        """Float32 logits (A, ..., V) of those of each branch.

        Args:
            logits: (A, ..., V) by branch; there may be more than its own.
            ids_AN: the current ids.
            clock: where sampling stands.
        """


class Unguided(Guidance):
    """The condition as it is: what no guidance means."""

    source: ClassVar[str] = "lightgen"

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (TOWARDS,)

    @property
    def constant(self) -> bool:
        return True

    def combine(self, logits: Mapping[Branch, Tensor], ids_AN: Tensor, clock: Clock) -> Tensor:
        return logits[TOWARDS].float()
