"""Rows of single seeds to results with intervals, and which of them differ."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from lightgen.bench.measure import ENDS
from lightgen.bench.rows import Row

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and the half width of its 95 % confidence interval (Student's t)."""

    mean: float
    half: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """The interval of two or more values; of a single value it is infinitely wide."""
        if len(values) < 2:
            return cls(values[0], math.inf)
        quantile = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
        return cls(fmean(values), quantile * stdev(values) / math.sqrt(len(values)))

    def apart(self, other: Interval) -> bool:
        """Whether two intervals do not touch."""
        return abs(self.mean - other.mean) > self.half + other.half

    def __str__(self) -> str:
        if not 0 < self.half < math.inf:
            return f"{self.mean:.4g}"
        # As many digits as two of the half width, because further ones say nothing.
        digits = max(0, 1 - math.floor(math.log10(self.half)))
        return f"{self.mean:.{digits}f} ± {self.half:.{digits}f}"


@dataclass(frozen=True)
class Result:
    """A method at a budget, over all reporting seeds."""

    method: str
    budget: int
    rows: tuple[Row, ...]
    """One for each seed."""

    def score(self, name: str) -> Interval:
        """A score over the seeds."""
        return Interval.of([row["scores"][name] for row in self.rows])

    @property
    def score_names(self) -> list[str]:
        """Of its scores."""
        return list(self.rows[0]["scores"])

    @property
    def evaluations(self) -> float:
        """Network evaluations of a picture, on average; fewer than the budget where pictures stop by themselves."""
        return fmean(row["evaluations"] for row in self.rows)

    @property
    def seconds(self) -> float:
        """Of sampling a picture: the fastest seed, because other work on a machine only ever adds."""
        return min(float(row["seconds"]) for row in self.rows)

    @property
    def num_images(self) -> int:
        """Pictures of all seeds."""
        return sum(int(row["num_images"]) for row in self.rows)

    def setting(self, grid: Sequence[str]) -> str:
        """The arguments that were searched, and what was chosen, e.g. `temperature 0.7`."""
        return chosen(self.rows[0], grid)


def results(rows: Sequence[Row], methods: Sequence[str]) -> list[Result]:
    """What was reported, by method in the given order and by budget."""
    cells: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row["role"] == "report":
            cells.setdefault((row["method"], row["budget"]), []).append(row)
    order = {name: i for i, name in enumerate(methods)}
    names = sorted(cells, key=lambda cell: (order.get(cell[0], len(order)), cell[1]))
    return [Result(*name, tuple(sorted(cells[name], key=lambda row: row["seed"]))) for name in names]


def ends(rows: Sequence[Row], priors: dict[str, str]) -> Iterator[tuple[str, Row]]:
    """What results are compared with, from the good end to the bad one, by name.

    Args:
        rows: of a folder.
        priors: the suite's checkpoints by name. An end that there is for several tokenizers is named after a prior too.
    """
    found = sorted((r for r in rows if r["role"] == "end"), key=lambda r: ENDS.index(r["method"]))
    count = Counter(row["method"] for row in found)
    names = {checkpoint: name for name, checkpoint in reversed(priors.items())}
    for row in found:
        alone = count[row["method"]] == 1
        yield row["method"] if alone else f"{row['method']}, {names[row['prior']]}", row


def chosen(row: Row, grid: Sequence[str]) -> str:
    """The values that a row has of some arguments, e.g. `temperature 0.7`."""
    return ", ".join(f"{path.split('.')[-1]} {_at(row, path)}" for path in grid)


def sides(found: Sequence[Result]) -> tuple[list[str], list[int]]:
    """The methods in their order and the budgets in theirs: the rows and columns of a table."""
    return list(dict.fromkeys(r.method for r in found)), sorted({r.budget for r in found})


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (cost, loss) no other one beats in one of the two without losing in the other."""
    return [not any(c <= cost and s <= loss and (c, s) != (cost, loss) for c, s in points) for cost, loss in points]


def _at(row: Row, path: str) -> Any:
    part, *names = path.split(".")
    found = row[part]
    for name in names:
        found = found["arguments"][name]
    return found["name"] if isinstance(found, dict) and "name" in found else found
