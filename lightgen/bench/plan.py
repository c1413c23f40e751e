"""The order of a suite's measurements: each method is tuned at each budget, then reported with what was chosen."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from lightgen.bench.measure import ENDS, FULL_PRECISION, Laboratory, Task, recipe_of
from lightgen.bench.rows import Row, key
from lightgen.bench.suite import HIGHER_IS_BETTER, Method, Setting, Suite, budgets, settings, within
from lightgen.registry import build
from lightgen.samplers.base import Sampler

Role = Literal["end", "likelihood", "tuning", "report"]


@dataclass(frozen=True)
class Entry:
    """A task and its place in the comparison."""

    role: Role
    method: str
    budget: int | None
    task: Task

    def marks(self) -> Row:
        """What a row says of its place."""
        return {"role": self.role, "method": self.method, "budget": self.budget}


@dataclass(frozen=True)
class Cell:
    """A method at a budget."""

    method: str
    budget: int
    settings: tuple[Setting, ...]
    """Those that fit the budget; empty where none does."""


class Plan:
    """A suite's measurements.

    Args:
        suite: what is compared.
        laboratory: where.

    Raises:
        ValueError: if a method does not fit its prior, the numbers of pictures are not the protocol's, or nothing fits
            its budget.
    """

    def __init__(self, suite: Suite, laboratory: Laboratory) -> None:
        self.suite, self.laboratory = suite, laboratory
        self.num_images = suite.num_images or laboratory.num_real
        self.tuning_images = suite.tuning_images or self.num_images
        suite.protocol.check(None if suite.protocol.whole_split else laboratory.num_real, self.num_images)
        for name, method in suite.methods.items():
            self._check(name, method)
        self.cells = [cell for name in suite.methods for cell in self._cells(name)]
        if not any(cell.settings for cell in self.cells):
            raise ValueError("no method has a setting that fits a budget; raise evaluations")

    def _check(self, name: str, method: Method) -> None:
        try:
            for prior in (self.laboratory.prior(self.suite.priors[prior]) for prior in method.priors):
                for setting in settings(method):
                    prior.chosen(recipe_of(setting, prior))
        except ValueError as error:
            raise ValueError(f"method {name}: {error}") from None

    def _cells(self, name: str) -> Iterator[Cell]:
        method = self.suite.methods[name]
        num_tokens = self.num_tokens(name)
        for budget in budgets(self.suite, method, num_tokens):
            fitted = [within(setting, budget, num_tokens) for setting in settings(method)]
            yield Cell(name, budget, tuple(f for f in fitted if f is not None))

    def identity(self) -> Row:
        """What results depend on, as plain data: two plans with the same identity may share a folder."""
        weights = {name: self.laboratory.weights(path) for name, path in self.suite.priors.items()}
        precision = self.laboratory.precision
        return {
            **self.suite.identity(),
            "weights": weights,
            **({} if precision == FULL_PRECISION else {"precision": precision}),
        }

    def ends(self) -> Iterator[Entry]:
        """What samples are compared with, for each tokenizer once."""
        seen: set[str] = set()
        for checkpoint in self.suite.priors.values():
            tokenizer = self.laboratory.tokenizer(checkpoint)
            for source in ENDS:
                known = source if source == "training pictures" else source + tokenizer
                if known not in seen:
                    seen.add(known)
                    yield Entry(
                        "end", source, None, Task(source, checkpoint, None, self.suite.seeds[0], self.num_images)
                    )

    def likelihoods(self) -> Iterator[Entry]:
        """Held-out bits per token of the priors that have a likelihood."""
        for name, checkpoint in self.suite.priors.items():
            if self.laboratory.prior(checkpoint).process.has_likelihood:
                num_images = len(self.suite.data.dataset("val"))
                yield Entry("likelihood", name, None, Task("likelihood", checkpoint, None, 0, num_images))

    def tuning(self, cell: Cell) -> list[Entry]:
        """The measurements that settings are chosen by; none where there is nothing to choose."""
        if len(cell.settings) < 2:
            return []
        pairs = [(setting, seed) for setting in cell.settings for seed in self.suite.tuning_seeds]
        return [self._entry("tuning", cell, setting, seed, self.tuning_images) for setting, seed in pairs]

    def report(self, cell: Cell, rows: list[Row]) -> list[Entry]:
        """The measurements that are reported, once the rows of `tuning` are there."""
        setting = self.chosen(cell, rows)
        if setting is None:
            return []
        return [self._entry("report", cell, setting, seed, self.num_images) for seed in self.suite.seeds]

    def chosen(self, cell: Cell, rows: list[Row]) -> Setting | None:
        """The setting with the best mean score on the tuning seeds; None where none fits the budget."""
        if len(cell.settings) < 2:
            return cell.settings[0] if cell.settings else None
        by_name = {row["id"]: row["scores"][self.suite.score] for row in rows if row["role"] == "tuning"}
        sign = -1 if self.suite.tune_by in HIGHER_IS_BETTER else 1
        found = [by_name[self.laboratory.name(entry.task)] for entry in self.tuning(cell)]
        count = len(self.suite.tuning_seeds)
        means = [sign * fmean(found[first : first + count]) for first in range(0, len(found), count)]
        return cell.settings[means.index(min(means))]

    def work(self, rows: list[Row], shard: tuple[int, int] | None) -> int:
        """About how many steps times pictures are left."""
        done, total = {key(row) for row in rows}, 0
        for cell in self.share(shard):
            # Which setting will be reported is not known yet, but they take about the same.
            entries = [self._entry("report", cell, s, seed, self.num_images) for s in cell.settings[:1]
                       for seed in self.suite.seeds]  # fmt: skip
            for entry in [*self.tuning(cell), *entries]:
                if key({**entry.marks(), "id": self.laboratory.name(entry.task)}) not in done:
                    assert entry.task.setting is not None
                    sampler: Sampler = build(entry.task.setting.sampler)
                    total += sampler.num_steps(self.num_tokens(cell.method)) * entry.task.num_images
        return total

    def share(self, shard: tuple[int, int] | None) -> list[Cell]:
        """The cells of a shard. A cell is never divided, because its report depends on its tuning."""
        first, count = shard or (1, 1)
        return self.cells[first - 1 :: count]

    def missing(self, rows: list[Row]) -> int:
        """How many cells are not reported yet."""
        reported = Counter((row["method"], row["budget"]) for row in rows if row["role"] == "report")
        return sum(bool(c.settings) and reported[c.method, c.budget] < len(self.suite.seeds) for c in self.cells)

    def num_tokens(self, method: str) -> int:
        """N of the method's prior."""
        prior = self.laboratory.prior(self.suite.priors[self.suite.methods[method].priors[0]])
        return prior.layout().num_tokens

    def _entry(self, role: Role, cell: Cell, setting: Setting, seed: int, num_images: int) -> Entry:
        priors = self.suite.methods[cell.method].priors
        seeds = self.suite.seeds if role == "report" else self.suite.tuning_seeds
        checkpoint = self.suite.priors[priors[seeds.index(seed) % len(priors)]]
        return Entry(role, cell.method, cell.budget, Task("sampler", checkpoint, setting, seed, num_images))


def carry_out(
    plan: Plan,
    shard: tuple[int, int] | None,
    rows: list[Row],
    do: Callable[[Entry], Any],
) -> None:
    """Do all measurements of a shard that are not among the rows yet; `do` adds them."""
    done = {key(row) for row in rows}
    if shard is None or shard[0] == 1:
        for entry in itertools.chain(plan.ends(), plan.likelihoods()):
            _once(entry, plan, done, do)
    for cell in plan.share(shard):
        for entry in plan.tuning(cell):
            _once(entry, plan, done, do)
        for entry in plan.report(cell, rows):
            _once(entry, plan, done, do)


def _once(entry: Entry, plan: Plan, done: set[tuple[Any, ...]], do: Callable[[Entry], Any]) -> None:
    known = key({**entry.marks(), "id": plan.laboratory.name(entry.task)})
    if known not in done:
        do(entry)
        done.add(known)
