"""Results as they come: a file of JSON lines that is only ever appended to."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from lightgen.bench.former import identity_of_0_1, row_of_0_1
from lightgen.bench.measurement import FULL_PRECISION, Measurement
from lightgen.functional.files import save_json
from lightgen.migration import completed

Role = Literal["baseline", "likelihood", "tuning", "report"]
Key = tuple[str, str, int | None, str]

VERSION = 2
"""Of rows and suites in files; those of 0.1 have none."""
PATTERN = "results*.jsonl"
SUITE = "suite.json"
DAMAGE = (json.JSONDecodeError, UnicodeDecodeError, TypeError, KeyError, AttributeError)
"""What is raised for a file that is no JSON, or another than was written."""


@dataclass(frozen=True)
class Place:
    """Where a measurement stands in the comparison."""

    role: Role
    method: str
    """Or the baseline's or the prior's name."""
    budget: int | None
    """Network evaluations; None where none are spent, and for adaptive samplers, which spend what they measure."""


@dataclass(frozen=True)
class Row:
    """A measurement and its result, with everything that is needed to make it again."""

    place: Place
    id: str
    """What it goes by, and its pictures."""
    measurement: Measurement
    scored_by: tuple[dict[str, Any], ...]
    """The scores that were computed, as plain data."""
    scores: dict[str, float]
    """Values by label."""
    evaluations: float
    """Network evaluations of a picture, on average."""
    seconds: float
    """Of sampling (without decoding and scoring) a picture, on average."""
    num_real: int
    """Reference pictures."""
    rules: dict[str, Any]
    """What must be known to compare the scores with others."""
    provenance: dict[str, str]
    """Versions and machine."""
    judge: str | None = None
    """The checkpoint of the scorer that judged."""
    version: int = VERSION

    @property
    def key(self) -> Key:
        """What no two results of a folder have in common."""
        return self.place.role, self.place.method, self.place.budget, self.measurement.id


@dataclass(frozen=True)
class Identity:
    """What the results of a folder depend on, as plain data: two suites with the same may share it."""

    priors: dict[str, str]
    weights: dict[str, str]
    methods: dict[str, dict[str, Any]]
    data: str
    protocol: dict[str, Any]
    evaluations: list[int]
    num_images: int | None
    seeds: list[int]
    tuning_images: int | None
    tuning_seeds: list[int]
    score: str
    """The label of the score that settings are chosen by."""
    higher_is_better: bool
    frechet_reference: str | None = None
    precision: str = FULL_PRECISION
    judge: str | None = None
    """The fingerprint of the scorer that judges."""
    version: int = VERSION

    def grid(self, method: str) -> list[str]:
        """The arguments of a method that were searched."""
        return list(self.methods[method]["grid"])


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
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(row)) + "\n")
        self.rows = latest([*self.rows, row])

    @contextmanager
    def writing(self, identity: Identity) -> Iterator[None]:
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
            _claim(self.folder, identity)
            _mend(self.path)
            yield
        finally:
            lock.release()


def latest(rows: Iterable[Row]) -> list[Row]:
    """Each result once: the first, unless a later one has scores that it lacks."""
    found: dict[Key, Row] = {}
    for row in rows:
        if row.key not in found or row.scores.keys() - found[row.key].scores.keys():
            found[row.key] = row
    return list(found.values())


def read(folder: Path) -> list[Row]:
    """All rows of a folder, file by file, each once, without a last line that a killed process left unfinished.

    Raises:
        ValueError: if a whole line is damaged or of a later version; it names file and line.
    """
    return latest(row for path in sorted(folder.glob(PATTERN)) for row in _lines(path))


def read_identity(folder: Path) -> Identity:
    """The suite that a folder's results are of.

    Raises:
        ValueError: if it holds none, or what it holds is damaged.
    """
    path = folder / SUITE
    if not path.is_file():
        raise ValueError(f"{folder} is not a folder that `lightgen bench` wrote: it has no {SUITE}")
    try:
        data = json.loads(path.read_bytes())
        return Identity(**(completed(data) if _is_current(data, str(path)) else identity_of_0_1(data)))
    except DAMAGE:
        raise ValueError(f"{path} is damaged; choose another folder") from None


def _lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        if not line.endswith(b"\n"):
            return
        where = f"line {number} of {path}"
        try:
            data = json.loads(line)
            row = _row(completed(data) if _is_current(data, where) else row_of_0_1(data))
        except DAMAGE:
            raise ValueError(f"{where} is damaged; delete it to measure it again") from None
        yield row


def _row(data: dict[str, Any]) -> Row:
    place, measurement = Place(**data["place"]), Measurement(**data["measurement"])
    return Row(**{**data, "place": place, "measurement": measurement, "scored_by": tuple(data["scored_by"])})


def _is_current(data: dict[str, Any], where: str) -> bool:
    version = data.get("version", 1)
    if version > VERSION:
        raise ValueError(f"{where} was written by a later lightgen (version {version} of results, not {VERSION})")
    return bool(version == VERSION)


def _claim(folder: Path, identity: Identity) -> None:
    path = folder / SUITE
    if not path.is_file():
        save_json(asdict(identity), path)
        return
    here, there = Identity(**json.loads(json.dumps(asdict(identity)))), read_identity(folder)
    if different := [f.name for f in fields(Identity) if getattr(here, f.name) != getattr(there, f.name)]:
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
