"""What pictures are asked for in turn, in people's words: on sheets, in names of files and in records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightgen.asking import LAYOUT, TEXT
from lightgen.labels import LABEL, Categories, class_name, class_number
from lightgen.made import picture_name
from lightgen.placing import in_few_words


@dataclass(frozen=True)
class Turns:
    """Picture i is asked for what stands in row i modulo their number, so that more pictures begin with the same.

    Args:
        rows: by name, of which all rows have the same; a text, a value of a category by number or name, or a
            layout as JSON.
        categories: of the prior.
    """

    rows: list[dict[str, Any]]
    categories: Categories

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def columns(self) -> dict[str, list[Any]]:
        """By name, what each row asks for."""
        return {name: [row[name] for row in self.rows] for name in self.rows[0]}

    @property
    def varied(self) -> list[str]:
        """The names under which not all rows ask for the same."""
        return [name for name, values in self.columns.items() if any(value != values[0] for value in values)]

    @property
    def same(self) -> str:
        """What all rows ask for; empty if that is nothing."""
        return self.words(0, [name for name in self.rows[0] if name not in self.varied])

    def words(self, number: int, names: Sequence[str]) -> str:
        """What a picture is asked for under some names."""
        row = self.rows[number % len(self)]
        return ", ".join(self._word(name, row[name]) for name in names)

    def file_names(self, num_images: int) -> list[str]:
        """Of pictures: their numbers, and what they are asked for where that is a text or differs."""
        names = list(self.rows[0]) if TEXT in self.rows[0] else self.varied
        return [picture_name(i, self.words(i, names)) for i in range(num_images)]

    def of(self, number: int) -> dict[str, Any]:
        """As plain data, what a picture is asked for."""
        return Turns([self.rows[number % len(self)]], self.categories).record()

    def record(self) -> dict[str, Any]:
        """As plain data, under each name one value or all; the class by number, and there even if it is open."""
        found: dict[str, Any] = {LABEL: None}
        for name, values in self.columns.items():
            if name == LABEL:
                values = [class_number(value, self.categories.get(LABEL)) for value in values]
            several = list(dict.fromkeys(values))
            found[name] = several if len(several) > 1 else several[0]
        return found

    def _word(self, name: str, value: Any) -> str:
        if isinstance(value, int):
            return class_name(value, self.categories.get(name), name)
        return in_few_words(value) if name == LAYOUT else str(value)
