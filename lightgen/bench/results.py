"""Rows of single seeds to results with intervals, and which of them differ."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t

from lightgen.bench.baselines import BASELINES
from lightgen.bench.rows import Identity, Row

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


@dataclass(frozen=True)
class Result:
    """A method at a budget, over all reporting seeds; of an adaptive sampler, one of its recipes."""

    method: str
    budget: int | None
    """None where the sampler is adaptive."""
    rows: tuple[Row, ...]
    """One for each seed."""

    def score(self, label: str) -> Interval:
        """A score over the seeds."""
        return Interval.of([row.scores[label] for row in self.rows])

    def has(self, label: str) -> bool:
        """Whether every seed has a score; one that was added to a suite later may be missing."""
        return all(label in row.scores for row in self.rows)

    @property
    def recipe(self) -> dict[str, Any]:
        """How its pictures are made, as plain data."""
        return self.rows[0].measurement.recipe or {}

    @property
    def evaluations(self) -> float:
        """Network evaluations of a picture, on average; fewer than the budget where pictures stop by themselves."""
        return fmean(row.evaluations for row in self.rows)

    @property
    def seconds(self) -> float:
        """Of sampling a picture: the fastest seed, because other work on a machine only ever adds."""
        return min(row.seconds for row in self.rows)

    @property
    def num_images(self) -> int:
        """Pictures of all seeds."""
        return sum(row.measurement.num_images for row in self.rows)

    @property
    def at(self) -> str:
        """Its budget, or the evaluations that it was measured to take."""
        return f"{self.evaluations:.1f}, adaptive" if self.budget is None else str(self.budget)

    def setting(self, grid: Sequence[str]) -> str:
        """The arguments that were searched, and what was chosen, e.g. `temperature 0.7`."""
        return setting(self.recipe, grid)


def results(rows: Sequence[Row], methods: Iterable[str]) -> list[Result]:
    """What was reported, by method in the given order, then by budget, or by evaluations where there is none."""
    cells: dict[tuple[str, int | None, str], list[Row]] = {}
    for row in rows:
        if row.place.role == "report":
            recipe = json.dumps(row.measurement.recipe, sort_keys=True)
            cells.setdefault((row.place.method, row.place.budget, recipe), []).append(row)
    found = [
        Result(method, budget, tuple(sorted(cell, key=lambda row: row.measurement.seed)))
        for (method, budget, _), cell in cells.items()
    ]
    order = {name: i for i, name in enumerate(methods)}
    return sorted(found, key=lambda r: (order.get(r.method, len(order)), r.budget or r.evaluations))


def scored(rows: Sequence[Row], identity: Identity) -> list[Result]:
    """The results of a suite.

    Raises:
        ValueError: if there are none, or one lacks the score that settings are chosen by.
    """
    found = results(rows, identity.methods)
    if not found:
        raise ValueError("there are no results yet")
    if lacking := [result for result in found if not result.has(identity.score)]:
        raise ValueError(f"{lacking[0].method} at {lacking[0].at} has no {identity.score}; run the suite again")
    return found


def baselines(rows: Sequence[Row], priors: dict[str, str]) -> Iterator[tuple[str, Row]]:
    """What results are compared with, from the good to the bad, by name.

    Args:
        rows: of a folder.
        priors: the suite's checkpoints by name. A baseline of several tokenizers is named after a prior too.
    """
    found = [row for row in rows if row.place.role == "baseline"]
    found.sort(key=lambda row: BASELINES.index(row.measurement.source))
    count = Counter(row.place.method for row in found)
    names = {checkpoint: name for name, checkpoint in reversed(priors.items())}
    for row in found:
        source = row.place.method
        yield source if count[source] == 1 else f"{source}, {names[row.measurement.prior]}", row


def setting(recipe: dict[str, Any], grid: Sequence[str]) -> str:
    """The values that a recipe has of some arguments, e.g. `temperature 0.7`."""
    return ", ".join(f"{path.split('.')[-1]} {_at(recipe, path)}" for path in grid)


def sides(found: Sequence[Result]) -> tuple[list[str], list[int]]:
    """Methods in their order and budgets in theirs: the rows and columns of a table; adaptive ones have no place."""
    placed = [(r.method, r.budget) for r in found if r.budget is not None]
    return list(dict.fromkeys(method for method, _ in placed)), sorted({budget for _, budget in placed})


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which points (cost, loss) no other one beats in one of the two without losing in the other."""
    return [not any(c <= cost and s <= loss and (c, s) != (cost, loss) for c, s in points) for cost, loss in points]


def _at(recipe: dict[str, Any], path: str) -> Any:
    found: Any = recipe
    for name in path.split("."):
        found = found["arguments"][name]
    return found["name"] if isinstance(found, dict) and "name" in found else found
