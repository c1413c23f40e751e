"""Results as they come: a file of JSON lines that is only ever appended to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lightgen.functional.files import save_json

Row = dict[str, Any]
PATTERN = "results*.jsonl"
SUITE = "suite.json"


class Rows:
    """The rows in a folder, from all its files, and a file to append to.

    Args:
        folder: of results.
        shard: (i, n) for the i-th of n processes that share a suite, each with a file of its own; None for all of it.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] | None = None) -> None:
        self.folder = folder
        self.path = folder / ("results.jsonl" if shard is None else f"results-{shard[0]}-of-{shard[1]}.jsonl")
        self.rows = read(folder)

    def append(self, row: Row) -> None:
        """Add a row to the file, and to `rows`."""
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        self.rows.append(row)

    @contextmanager
    def writing(self, identity: Row) -> Iterator[None]:
        """Hold the file, and mark the folder as that of one suite.

        Raises:
            ValueError: if another process writes the file, or the folder has results of another suite.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f".{self.path.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"another process is writing {self.path}; choose another --out, or --shard i/n") from None
        try:
            _claim(self.folder / SUITE, identity)
            _mend(self.path)
            yield
        finally:
            lock.release()


def read(folder: Path) -> list[Row]:
    """All rows of a folder, file by file, without a last line that a killed process left unfinished.

    Raises:
        ValueError: if a whole line is damaged; it names file and line.
    """
    rows = []
    for path in sorted(folder.glob(PATTERN)):
        for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
            if not line.endswith("\n"):
                break
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                raise ValueError(f"line {number} of {path} is damaged; delete it to measure it again") from None
    return rows


def _claim(path: Path, identity: Row) -> None:
    if not path.is_file():
        save_json(identity, path)
        return
    there = json.loads(path.read_text())
    if different := [name for name in identity if there.get(name) != json.loads(json.dumps(identity[name]))]:
        raise ValueError(
            f"{path.parent} holds results of another suite (other {', '.join(different)}); choose another --out"
        )


def _mend(path: Path) -> None:
    """Cut off a line that a killed process left unfinished."""
    if path.is_file():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            with path.open("r+b") as file:
                file.truncate(len(whole))
