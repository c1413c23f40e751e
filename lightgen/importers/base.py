"""The contract of an importer: somebody's published weights to a tokenizer or a prior of lightgen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

from lightgen.prior import Prior
from lightgen.registry import Component, components
from lightgen.tokenizers.base import Tokenizer


@dataclass(frozen=True)
class Imported:
    """What came of published weights, in eval mode, and what to say about how it came about, a line each."""

    component: Tokenizer | Prior
    notes: tuple[str, ...] = ()


class Importer(Component):
    """Reads one kind of published weights, without running anything that is in a file.

    What a user may say about them are the arguments of its constructor, which `lightgen import` takes as options.
    """

    kind: ClassVar[str] = "importer"
    name: ClassVar[str]
    """What `lightgen import --kind` calls it, e.g. `"taming"`."""
    marks: ClassVar[tuple[str, ...]] = ()
    """Keys of tensors, of which its files have one, and those of other kinds none."""

    @abstractmethod
    def __call__(self, weights: Path) -> Imported:
        """What the weights are of.

        Args:
            weights: a file, or a folder where that is how they are published.

        Raises:
            ValueError: in one line, if a file cannot be read, asks for what lightgen does not have, or has tensors that
                are missing, left over or of another shape.
        """

    @classmethod
    def exported(cls, prior: Prior) -> dict[str, Any] | None:
        """What a file of this kind would hold of a prior's network, bit for bit; None where it cannot be.

        Args:
            prior: of any kind.
        """
        return None


def kind_of(keys: Collection[str], base: type[Importer] = Importer) -> tuple[str, str] | None:
    """The name of the first kind that a file is of, and the key that tells so.

    Args:
        keys: of the file's tensors.
        base: of the importers that are looked at.
    """
    known = ((name, mark) for name, kind in importers().items() if issubclass(kind, base) for mark in kind.marks)
    return next(((name, mark) for name, mark in known if mark in keys), None)


def another_kind(importer: type[Importer], keys: Collection[str]) -> str:
    """What is said of a file that is of another kind than it was taken for."""
    found = kind_of(keys)
    if found is None or not importer.marks or found[0] == importer.name:
        return ""
    return f"; it has {found[1]}, as files of --kind {found[0]} do"


def importers() -> dict[str, type[Importer]]:
    """Every importer by its name.

    Raises:
        ValueError: if two have the same.
    """
    found: dict[str, type[Importer]] = {}
    for importer in cast(list[type[Importer]], components(Importer.kind)):
        if (other := found.setdefault(importer.name, importer)) is not importer:
            both = " and ".join(f"{c.__module__}.{c.__name__}" for c in (other, importer))
            raise ValueError(f"name must be an importer's own, and {importer.name!r} is that of {both}")
    return found
