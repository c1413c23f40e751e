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
        writes: whether rows go to the file; of the processes of one run on several devices, one writes.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] | None = None, writes: bool = True) -> None:
        self.folder, self.writes = folder, writes
        self.path = folder / ("results.jsonl" if shard is None else f"results-{shard[0]}-of-{shard[1]}.jsonl")
        self.rows = read(folder)

    def append(self, row: Row) -> None:
        """Add a row to the file, and to `rows`."""
        if self.writes:
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        self.rows.append(row)

    @contextmanager
    def writing(self, identity: Row) -> Iterator[None]:
        """Hold the file, and mark the folder as that of one suite.

        Raises:
            ValueError: if another process writes the file, or the folder has results of another suite.
        """
        if not self.writes:
            yield
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / f".{self.path.name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"another process is writing {self.path}; wait for it, or choose another --out") from None
        try:
            _claim(self.folder / SUITE, identity)
            _mend(self.path)
            yield
        finally:
            lock.release()


def key(row: Row) -> tuple[Any, ...]:
    """What no two rows have in common."""
    return row["role"], row["method"], row["budget"], row["id"]


def read(folder: Path) -> list[Row]:
    """All rows of a folder, file by file, each once, without a last line that a killed process left unfinished.

    Raises:
        ValueError: if a whole line is damaged; it names file and line.
    """
    rows: dict[tuple[Any, ...], Row] = {}
    for path in sorted(folder.glob(PATTERN)):
        for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
            if not line.endswith("\n"):
                break
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                raise ValueError(f"line {number} of {path} is damaged; delete it to measure it again") from None
            rows.setdefault(key(row), row)
    return list(rows.values())


def _claim(path: Path, identity: Row) -> None:
    if not path.is_file():
        save_json(identity, path)
        return
    here, there = json.loads(json.dumps(identity)), json.loads(path.read_text())
    if different := [name for name in {**here, **there} if here.get(name) != there.get(name)]:
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
