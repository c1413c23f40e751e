"""What is written about pictures: `metadata.jsonl` and `metadata.csv`, as Hugging Face's imagefolder has them.

Each line has a `file_name`, which counts from the folder that the file is in, and any other columns.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from posixpath import normpath
from typing import IO, Any

import numpy as np

from lightgen.data.collection import Array

FILE_NAME = "file_name"
MOST_CAPTIONS = 16
"""Of a picture; what comes behind them is left out."""

LONGEST_FILE = 1 << 16
"""Bytes of a NAME.txt that are read."""

Row = dict[str, Any]
Read = Callable[[str], IO[bytes]]


@dataclass
class Metadata:
    """What is known of pictures, by their names, and which lines say nothing of any."""

    rows: dict[str, Row] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    """Lines that name no picture."""

    def columns(self) -> list[str]:
        """All names, in order."""
        return sorted({name for row in self.rows.values() for name in row})

    def values(self, column: str, pictures: Sequence[str]) -> dict[str, Any]:
        """By picture, where there is one."""
        found = ((picture, self.rows.get(picture, {}).get(column)) for picture in pictures)
        # A number that is none, which other programs write for nothing, is not equal to itself.
        return {picture: value for picture, value in found if value not in (None, "") and value == value}

    def problems(self) -> list[str]:
        """What lines there are that say nothing, in words."""
        kinds = (("broken lines:", self.broken), ("lines of no picture:", self.strangers))
        return [
            f"{what} {len(lines)} ({', '.join(lines[:3])}{' ...' * (len(lines) > 3)})" for what, lines in kinds if lines
        ]


def read_metadata(names: Sequence[str], read: Read, pictures: Sequence[str]) -> Metadata:
    """All that the files among `names` say about pictures; broken lines are remembered and passed over."""
    found, known = Metadata(), set(pictures)
    for name in sorted(names):
        path = PurePosixPath(name)
        if path.name not in READERS:
            continue
        with read(name) as stream:
            for number, row in READERS[path.name](stream):
                if row is None or not isinstance(row.get(FILE_NAME), str):
                    found.broken.append(f"{name} line {number}")
                    continue
                written = row.pop(FILE_NAME)
                # Whoever wrote it on Windows may have parted folders by backslashes.
                places = [normpath((path.parent / way).as_posix()) for way in (written, written.replace("\\", "/"))]
                picture = next((place for place in places if place in known), None)
                if picture is not None:
                    found.rows[picture] = found.rows.get(picture, {}) | row
                else:
                    found.strangers.append(f"{name} line {number}")
    return found


def _json_lines(stream: IO[bytes]) -> Iterator[tuple[int, Row | None]]:
    for number, line in enumerate(stream, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            row = None
        yield number, row if isinstance(row, dict) else None


def _comma_separated(stream: IO[bytes]) -> Iterator[tuple[int, Row | None]]:
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    lines = csv.DictReader(text)
    while True:
        try:
            row: dict[Any, Any] = next(lines)
        except StopIteration:
            return
        except csv.Error:
            yield lines.line_num, None
            continue
        # Too many fields stand under None, and None stands for those that are missing.
        yield lines.line_num, None if None in row or None in row.values() else row


READERS = {"metadata.jsonl": _json_lines, "metadata.csv": _comma_separated}


def texts_beside(names: Sequence[str], read: Read) -> Callable[[str], list[str]]:
    """Looks up the captions in the NAME.txt of a picture NAME.png; `names` are those of all files."""
    known = set(names)

    def beside(picture: str) -> list[str]:
        name = PurePosixPath(picture).with_suffix(".txt").as_posix()
        if name not in known:
            return []
        with read(name) as stream:
            return captions(stream.read(LONGEST_FILE).decode("utf-8-sig", errors="replace").splitlines())

    return beside


def captions(value: Any) -> list[str]:
    """The captions that a column has of a picture: one, several, or none; those that are not UTF-8 are none."""
    several = value if isinstance(value, list) else [value]
    texts = (" ".join(one.split()) for one in several if isinstance(one, str) and "\ufffd" not in one)
    return [text for text in texts if text][:MOST_CAPTIONS]


def classes(values: Sequence[Any]) -> tuple[Array, list[str]]:
    """(n,) int64 class ids, and what they are called: in the order of numbers where they are some, else of words.

    >>> classes(["10", "9", "10"])[1], classes(["noto", "fx"])[0].tolist()
    (['9', '10'], [1, 0])
    """
    words = [str(value) for value in values]
    names = sorted(set(words), key=lambda word: (int(word), "") if word.isdecimal() else (1 << 62, word))
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[word] for word in words], np.int64), names


def are_words(name: str, values: Sequence[Any]) -> bool:
    """Whether `column` makes classes of such values."""
    return column(name, values)[1] != []


def column(name: str, values: Sequence[Any]) -> tuple[Array, list[str]]:
    """A row for each picture: whole numbers int64, others float32, truth values bool, words as `classes` has them.

    Raises:
        ValueError: if they are anything else, or rows of different lengths.
    """
    try:
        found = np.array(values)
        if found.dtype.kind == "U":
            # In a .csv all is text.
            found = found.astype(np.float64)
            found = found.astype(np.int64) if (np.abs(found) < 2**53).all() and (found % 1 == 0).all() else found
    except ValueError:
        if all(isinstance(value, str) for value in values):
            return classes(values)
        found = np.array([None])
    kinds: dict[str, type] = {"b": np.bool_, "i": np.int64, "f": np.float32}
    if found.dtype.kind not in kinds or not np.isfinite(found).all():
        raise ValueError(f"column {name} must have a number, a word, or equally many numbers for each picture")
    return found.astype(kinds[found.dtype.kind]), []
