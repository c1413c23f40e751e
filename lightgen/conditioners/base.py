"""The contract of a conditioner: the part of a network that turns a condition into what the network sees."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.functional.random import Noise, Stream
from lightgen.layout import Layout
from lightgen.registry import Component
from lightgen.types import Grid


class Conditioner(nn.Module, Component):
    """Named tensors to vectors to add, tokens to attend to, vectors for each cell.

    Args:
        dropout: probability in [0, 1] that a picture's condition is hidden in training; without that there is no
            guidance.

    Raises:
        ValueError: if it is out of range.
    """

    kind: ClassVar[str] = "conditioner"
    attended: ClassVar[bool] = False
    """Whether it gives tokens, for which the network needs layers that attend to them."""
    reads_known: ClassVar[bool] = False
    """Whether it is told what of a picture is known: see `KnownCells`."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        if not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be in [0, 1], not {dropout}")
        self.dropout = dropout

    @property
    def num_choices(self) -> int:
        """How many random choices `hide` makes for a picture."""
        return 1

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of the tensors that it reads."""

    def place(self, layout: Layout) -> None:
        """Learn where the tokens stand that the network reads; the network calls it once, before `attach`.

        Raises:
            ValueError: if there is nothing to say of such cells.
        """

    @property
    def num_tokens(self) -> int:
        """How many tokens it gives, always; 0 where they differ in number, or there are none."""
        return 0

    @abstractmethod
    def attach(self, dim: int) -> None:
        """Make the parameters for a network of width D; the network calls it once."""

    @abstractmethod
    def forward(self, condition: Condition, num_rows: int) -> Context:
        """What the network sees in each of B rows; a name that is not there is hidden in all."""

    def hide(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        """The condition in training: each picture's is hidden with probability `dropout`.

        Args:
            condition: of B pictures.
            noise: theirs.
            position: among the conditioners of a network, so that each decides for itself.
        """
        hidden = noise.uniform(0, Stream.CONDITION, position + 1)[:, position] < self.dropout
        return condition.hide(*self.names, rows=hidden)

    def require(self, condition: Condition) -> None:
        """Refuse what a condition asks for, if there is no such.

        Raises:
            ValueError: in one line.
        """

    def complete(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        """What B pictures are asked for where a condition leaves it open.

        Args:
            condition: what is asked for.
            noise: of the pictures.
            position: among the conditioners of a network, so that each draws for itself.
        """
        return condition

    def holes(self, grid: Grid, noise: Noise) -> Tensor | None:
        """(B, h w) True where a cell is known, of pictures in training; None where it is not told."""
        return None

    def hides(self, names: Sequence[str]) -> bool:
        """Whether some of its names were hidden together in training, as guidance needs."""
        return self.dropout > 0

    def ahead(self, condition: Condition) -> Condition:
        """A batch's condition, with what never changes of it worked out once, before any number of calls."""
        return condition

    def learn(self, texts: Sequence[str]) -> None:
        """Take what must be known before the first step from the captions to train on, unless it is known already."""

    def require_data(self, conditions: Mapping[str, Sequence[str]] | None) -> None:
        """Refuse data that do not say of pictures what it reads, or have other classes than there are.

        Args:
            conditions: what the data say of pictures, by name, e.g. `caption`, and of a category the names of its
                values; None where nobody knows.

        Raises:
            ValueError: in one line.
        """
