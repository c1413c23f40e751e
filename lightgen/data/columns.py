"""What metadata say of pictures, as a collection has it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

import numpy as np

from lightgen.data.collection import Array
from lightgen.data.metadata import READERS, Metadata, are_words, captions, classes, column
from lightgen.functional.boxes import BOX_TEXTS, BOXES, Box, to_boxes, to_rows
from lightgen.functional.text import to_bytes

RESERVED = frozenset(("label", "caption", "captions", BOX_TEXTS))


@dataclass(frozen=True)
class Columns:
    """Which columns are wanted, by their names: see `lightgen.data.ImageFolder`.

    Raises:
        ValueError: if another is called what labels and captions become.
    """

    labels: str | None = None
    captions: str | None = None
    identity: str | None = None
    others: Sequence[str] = ()

    def __post_init__(self) -> None:
        if taken := RESERVED & {*self.others}:
            raise ValueError(f"columns cannot have {min(taken)}; labels and captions say which columns these are")

    def __bool__(self) -> bool:
        return bool(self.names)

    @property
    def names(self) -> list[str]:
        """Of all that are wanted."""
        return [*filter(None, (self.labels, self.captions, self.identity)), *self.others]


@dataclass
class Told:
    """Pictures that have what is wanted, in the order of before, and a row for each."""

    pictures: list[str]
    identities: list[str]
    conditions: dict[str, Array] = field(default_factory=dict)
    class_names: list[str] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)


def tell(
    root: str,
    metadata: Metadata,
    pictures: Sequence[str],
    wanted: Columns,
    beside: Callable[[str], list[str]] | None = None,
    class_names: Mapping[str, list[str]] = MappingProxyType({}),
) -> Told:
    """Look up what is wanted of pictures, and say in one warning what is missing.

    Args:
        root: what the data are called.
        metadata: what is known of them.
        pictures: names.
        wanted: columns.
        beside: captions of a picture for which the column has none.
        class_names: of columns that have class ids, by name.

    Raises:
        ValueError: if no picture has one of them, or a column is neither of numbers nor of words.
    """
    problems = metadata.problems()
    kept = list(pictures)
    others = [name for name in wanted.others if name != BOXES]
    for name in filter(None, (wanted.labels, *others)):
        known = _known(root, metadata, name, kept)
        lacking, total = len(kept) - len(known), len(pictures)
        if lacking and name != wanted.labels and (name in class_names or are_words(name, list(known.values()))):
            problems.append(f"{lacking} of {total} pictures have no {name}, which is hidden for them")
            continue
        if lacking:
            problems.append(f"{lacking} of {total} pictures have no {name} and are left out")
        kept = list(known)
    told = Told(kept, [str(PurePosixPath(picture).with_suffix("")) for picture in kept])
    if wanted.identity:
        shared = _known(root, metadata, wanted.identity, kept)
        told.identities = [f"{shared.get(p, own)}" for p, own in zip(kept, told.identities, strict=True)]
    if wanted.labels:
        values = list(metadata.values(wanted.labels, kept).values())
        if not all(isinstance(value, str | int | float) for value in values):
            raise ValueError(f"column {wanted.labels} must have a word or a number for each picture")
        names = class_names.get(wanted.labels)
        told.conditions["label"], told.class_names = classes(values) if names is None else (np.array(values), names)
    if BOXES in wanted.others:
        rows, names_of = boxes(_known(root, metadata, BOXES, kept), kept)
        told.conditions |= rows
        told.words |= {BOXES: names_of} if names_of else {}
    for name in others:
        known = metadata.values(name, kept)
        found, words = column(name, list(known.values()))
        told.conditions[name], words = found, class_names.get(name, words)
        if words:
            told.words[name] = words
            told.conditions[name] = np.full(len(kept), -1)
            told.conditions[name][[picture in known for picture in kept]] = found
    if wanted.captions:
        texts = [captions(metadata.rows.get(picture, {}).get(wanted.captions)) for picture in kept]
        if beside is not None:
            texts = [several or beside(picture) for several, picture in zip(texts, kept, strict=True)]
        if without := sum(not text for text in texts):
            problems.append(f"{without} of {len(kept)} pictures have no caption, which is hidden for them")
        if without == len(kept):
            if beside is None:
                raise ValueError(f"column {wanted.captions} has no text for any picture in {root}")
            raise ValueError(f"no picture in {root} has a caption, be it in NAME.txt beside it, or in a column "
                             f"{wanted.captions}{_there(metadata)}")  # fmt: skip
        told.conditions["captions"] = padded(texts)
    if problems:
        warnings.warn(f"{root}: {'; '.join(problems)}", stacklevel=2)
    return told


def boxes(known: Mapping[str, object], pictures: Sequence[str]) -> tuple[dict[str, Array], list[str]]:
    """The conditions that boxes of pictures are, and the names of their classes, which are none where they have texts.

    Args:
        known: a list as `lightgen.functional.boxes.to_boxes` has it, by picture; one that has none has no boxes.
        pictures: names.

    Raises:
        ValueError: names the picture whose boxes are none; or if some have classes, and some texts.
    """
    rows: list[list[Box]] = []
    for picture in pictures:
        try:
            rows.append(to_boxes(known.get(picture, [])))
        except ValueError as error:
            raise ValueError(f"{BOXES} of {picture}: {error}") from None
    kinds = {box.kind for row in rows for box in row}
    if len(kinds) != 1:
        raise ValueError(f"all {BOXES} must have a label, or all a text" if kinds else f"no picture has {BOXES}")
    by_text, places = kinds == {"text"}, [(i, k) for i, row in enumerate(rows) for k in range(len(row))]
    numbers = [[0] * len(row) for row in rows]
    names: list[str] = []
    if not by_text:
        found, names = classes([rows[i][k].what for i, k in places])
        for (i, k), number in zip(places, found.tolist(), strict=True):
            numbers[i][k] = number
    return to_rows(rows, numbers, by_text), names


def _known(root: str, metadata: Metadata, name: str, pictures: Sequence[str]) -> dict[str, object]:
    if found := metadata.values(name, pictures):
        return found
    if name in metadata.columns():
        raise ValueError(f"column {name} is empty for every picture in {root}")
    raise ValueError(f"no picture in {root} has a column {name}{_there(metadata)}")


def _there(metadata: Metadata) -> str:
    if there := metadata.columns():
        return f" (there are {', '.join(there)})"
    lines = "; ".join(metadata.problems()) or f"there is no line of {' or '.join(READERS)} about one"
    return f" ({lines})"


def padded(texts: Sequence[Sequence[str]]) -> Array:
    """(n, K, L) uint8: see `Collection`; K and L are at least 1."""
    flat = to_bytes([text for several in texts for text in several])
    rows = np.zeros((len(texts), max(1, *map(len, texts)), max(1, flat.shape[1])), np.uint8)
    start = 0
    for row, several in zip(rows, texts, strict=True):
        row[: len(several)] = flat[start : start + len(several)]
        start += len(several)
    return rows
