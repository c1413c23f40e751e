"""What a folder's metadata say of its pictures, as a collection has it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from lightgen.data.collection import Array
from lightgen.data.metadata import READERS, Metadata, are_words, captions, classes, column, read_metadata
from lightgen.functional.text import to_bytes

LONGEST_FILE = 1 << 16
"""Bytes of a NAME.txt that are read."""


@dataclass(frozen=True)
class Columns:
    """Which columns are wanted, by their names: see `lightgen.data.ImageFolder`."""

    labels: str | None = None
    captions: str | None = None
    identity: str | None = None
    others: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.labels or self.captions or self.identity or self.others)


@dataclass
class Told:
    """Pictures that have what is wanted, in the order of before, and a row for each."""

    pictures: list[str]
    identities: list[str]
    conditions: dict[str, Array] = field(default_factory=dict)
    class_names: list[str] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)


def tell(
    root: Path, names: Sequence[str], read: Callable[[str], IO[bytes]], pictures: Sequence[str], wanted: Columns
) -> Told:
    """Look up what is wanted of pictures, and say in one warning what is missing.

    Args:
        root: how the folder is called.
        names: of all its files.
        read: opens one of them.
        pictures: names of those that are pictures.
        wanted: columns.

    Raises:
        ValueError: if no picture has one of them, or a column is neither of numbers nor of words.
    """
    metadata = read_metadata(names, read, pictures)
    problems = [
        f"{what} {len(lines)} ({', '.join(lines[:3])}{' ...' * (len(lines) > 3)})"
        for what, lines in (("broken lines:", metadata.broken), ("lines of no picture:", metadata.strangers))
        if lines
    ]
    kept = list(pictures)
    for name in filter(None, (wanted.labels, *wanted.others)):
        known = _known(root, metadata, name, kept)
        lacking, total = len(kept) - len(known), len(pictures)
        if lacking and name != wanted.labels and are_words(name, list(known.values())):
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
        told.conditions["label"], told.class_names = classes(values)
    for name in wanted.others:
        known = metadata.values(name, kept)
        values, words = column(name, list(known.values()))
        told.conditions[name] = values
        if words:
            told.words[name] = words
            told.conditions[name] = np.full(len(kept), -1)
            told.conditions[name][[picture in known for picture in kept]] = values
    if wanted.captions:
        texts = _captions(metadata, wanted.captions, kept, set(names), read)
        if without := sum(not text for text in texts):
            problems.append(f"{without} of {len(kept)} pictures have no caption, which is hidden for them")
        if without == len(kept):
            raise ValueError(f"no picture in {root} has a caption, be it in NAME.txt beside it, or in a column "
                             f"{wanted.captions}{_there(metadata)}")  # fmt: skip
        told.conditions["captions"] = _padded(texts)
    if problems:
        warnings.warn(f"{root}: {'; '.join(problems)}", stacklevel=2)
    return told


def _known(root: Path, metadata: Metadata, name: str, pictures: Sequence[str]) -> dict[str, object]:
    if found := metadata.values(name, pictures):
        return found
    raise ValueError(f"no picture in {root} has a column {name}{_there(metadata)}")


def _there(metadata: Metadata) -> str:
    there = ", ".join(metadata.columns())
    return f" (there are {there})" if there else f" (there is no line of {' or '.join(READERS)} about one)"


def _captions(
    metadata: Metadata, name: str, pictures: Sequence[str], names: set[str], read: Callable[[str], IO[bytes]]
) -> list[list[str]]:
    """Those of each picture: of the column, else of the file beside it."""
    found = []
    for picture in pictures:
        texts, beside = captions(metadata.rows.get(picture, {}).get(name)), _beside(picture)
        if not texts and beside in names:
            with read(beside) as stream:
                lines = stream.read(LONGEST_FILE).decode("utf-8-sig", errors="replace").splitlines()
            texts = captions(lines)
        found.append(texts)
    return found


def _beside(picture: str) -> str:
    return PurePosixPath(picture).with_suffix(".txt").as_posix()


def _padded(texts: Sequence[Sequence[str]]) -> Array:
    """(n, K, L) uint8: see `Collection`."""
    flat = to_bytes([text for several in texts for text in several])
    rows = np.zeros((len(texts), max(map(len, texts)), flat.shape[1]), np.uint8)
    start = 0
    for row, several in zip(rows, texts, strict=True):
        row[: len(several)] = flat[start : start + len(several)]
        start += len(several)
    return rows
