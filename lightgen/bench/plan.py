"""The order of a suite's measurements: each method is tuned at each budget, then reported with what was chosen."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from lightgen.bench.baselines import BASELINES
from lightgen.bench.judges import Reranking
from lightgen.bench.measurement import Measurement
from lightgen.bench.priors import warn_of_other_pictures
from lightgen.bench.results import front
from lightgen.bench.rows import Identity, Key, Place, Role, Row, Rows
from lightgen.bench.runner import Runner
from lightgen.bench.suite import Method, Suite, budgets, recipes, within
from lightgen.functional.random import Noise
from lightgen.metrics.captions import COSINE
from lightgen.metrics.protocols import WHOLE_SPLIT
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.reranking import texts


@dataclass(frozen=True)
class Entry:
    """A measurement and its place in the comparison."""

    place: Place
    measurement: Measurement

    @property
    def key(self) -> Key:
        """That of its row."""
        return self.place.role, self.place.method, self.place.budget, self.measurement.id


@dataclass(frozen=True)
class Cell:
    """A method at a budget."""

    method: str
    budget: int | None
    """None where the sampler is adaptive."""
    recipes: tuple[Recipe, ...]
    """Those that fit the budget; empty where none does."""


class Plan:
    """A suite's measurements.

    Args:
        suite: what is compared.
        runner: what measures it.

    Raises:
        ValueError: if a method does not fit its prior, the numbers of pictures are not the protocol's, or nothing fits
            its budget.
    """

    def __init__(self, suite: Suite, runner: Runner) -> None:
        self.suite, self.runner = suite, runner
        warn_of_other_pictures(suite.priors, suite.data)
        self.num_images = suite.num_images or runner.evaluator.num_real
        self.tuning_images = suite.tuning_images or self.num_images
        suite.protocol.check(None if suite.protocol.whole_split else runner.evaluator.num_real, self.num_images)
        for name, method in suite.methods.items():
            self._check(name, method)
        self.cells = [cell for name in suite.methods for cell in self._cells(name)]
        if not any(cell.recipes for cell in self.cells):
            raise ValueError("no method has a setting that fits a budget; raise evaluations")

    def _check(self, name: str, method: Method) -> None:
        try:
            self._reranking(method)
            for prior in (self.runner.priors[self.suite.priors[prior]] for prior in method.priors):
                if self.suite.judge is not None or method.reranker is not None:
                    asked = self.runner.asked(prior, 0)
                    texts(prior.completed(asked, Noise.of(0, max(1, len(asked)))), prior.categories)
                for recipe in recipes(method):
                    prior.chosen(recipe)
        except ValueError as error:
            raise ValueError(f"method {name}: {error}") from None

    def _reranking(self, method: Method) -> Reranking | None:
        return self.runner.judges.reranking(method.best_of, method.reranker, self.suite.judge)

    def _cells(self, name: str) -> Iterator[Cell]:
        method = self.suite.methods[name]
        if method.recipe.sampler.adaptive:
            yield Cell(name, None, tuple(recipes(method)))
            return
        num_tokens = self.num_tokens(name)
        for budget in budgets(self.suite, method, num_tokens):
            fitted = [within(recipe, budget // method.best_of, num_tokens) for recipe in recipes(method)]
            yield Cell(name, budget, tuple(f for f in fitted if f is not None))

    def identity(self) -> Identity:
        """What results depend on."""
        suite = self.suite
        return Identity(
            priors=suite.priors,
            weights={name: self.runner.priors.weights(path) for name, path in suite.priors.items()},
            methods={name: described(method) for name, method in suite.methods.items()},
            data=self.runner.evaluator.data_fingerprint,
            protocol=describe(suite.protocol),
            evaluations=suite.evaluations,
            num_images=suite.num_images,
            seeds=list(suite.seeds),
            tuning_images=suite.tuning_images,
            tuning_seeds=list(suite.tuning_seeds),
            score=suite.label,
            higher_is_better=suite.tuned_score.higher_is_better,
            frechet_reference=None if suite.reference is None else WHOLE_SPLIT,
            precision=self.runner.precision,
            judge=None if suite.judge is None else self.runner.judges.weights(suite.judge),
        )

    def baselines(self) -> Iterator[Entry]:
        """What samples are compared with, for each tokenizer once."""
        seen: set[str] = set()
        for checkpoint in self.suite.priors.values():
            tokenizer = self.runner.priors.tokenizer(checkpoint)
            for source in BASELINES:
                known = source if source == "training pictures" else source + tokenizer
                if known not in seen:
                    seen.add(known)
                    what = self.runner.measurement(source, checkpoint, self.suite.seeds[0], self.num_images)
                    yield Entry(Place("baseline", source, None), what)

    def likelihoods(self) -> Iterator[Entry]:
        """Held-out bits per token of the priors that have a likelihood."""
        for name, checkpoint in self.suite.priors.items():
            if self.runner.priors[checkpoint].process.has_likelihood:
                num_images = len(self.suite.data.dataset("val"))
                what = self.runner.measurement("likelihood", checkpoint, 0, num_images)
                yield Entry(Place("likelihood", name, None), what)

    def tuning(self, cell: Cell) -> list[Entry]:
        """The measurements that settings are chosen by; none where there is nothing to choose."""
        if len(cell.recipes) < 2:
            return []
        pairs = itertools.product(cell.recipes, self.suite.tuning_seeds)
        return [self._entry("tuning", cell, recipe, seed, self.tuning_images) for recipe, seed in pairs]

    def report(self, cell: Cell, rows: list[Row]) -> list[Entry]:
        """The measurements that are reported, once the rows of `tuning` are there."""
        return self._reports(cell, self.chosen(cell, rows))

    def chosen(self, cell: Cell, rows: list[Row]) -> list[Recipe]:
        """The recipe with the best mean score on the tuning seeds; of an adaptive sampler, those that none beats.

        None where none fits the budget.
        """
        if len(cell.recipes) < 2:
            return list(cell.recipes)
        by_id = {row.measurement.id: row for row in self.done(rows).values() if row.place.role == "tuning"}
        sign = -1 if self.suite.tuned_score.higher_is_better else 1
        points: list[tuple[float, float]] = []
        found, count = [by_id[entry.measurement.id] for entry in self.tuning(cell)], len(self.suite.tuning_seeds)
        for first in range(0, len(found), count):
            ours = found[first : first + count]
            loss = sign * fmean(row.scores[self.suite.label] for row in ours)
            points.append((fmean(row.evaluations for row in ours), loss))
        if cell.budget is None:
            return [recipe for recipe, best in zip(cell.recipes, front(points), strict=True) if best]
        losses = [loss for _, loss in points]
        return [cell.recipes[losses.index(min(losses))]]

    def done(self, rows: list[Row]) -> dict[Key, Row]:
        """What need not be measured again: the rows that have all scores that the suite asks for."""
        labels = self.runner.evaluator.labels
        judged = labels if self.suite.judge is None else labels | {COSINE}
        wanted: dict[Role, frozenset[str]] = {"likelihood": frozenset(), "baseline": labels}
        return {row.key: row for row in rows if wanted.get(row.place.role, judged) <= row.scores.keys()}

    def share(self, shard: tuple[int, int] | None) -> list[Cell]:
        """The cells of a shard. A cell is never divided, because its report depends on its tuning."""
        first, count = shard or (1, 1)
        return self.cells[first - 1 :: count]

    def left(self, cell: Cell, rows: list[Row]) -> list[Entry]:
        """What of a cell is not measured yet."""
        done = self.done(rows)
        tuning = [entry for entry in self.tuning(cell) if entry.key not in done]
        # Which recipe will be reported is not known before the tuning, but they take about the same.
        report = self._reports(cell, list(cell.recipes[:1])) if tuning else self.report(cell, rows)
        return tuning + [entry for entry in report if entry.key not in done]

    def work(self, rows: list[Row], shard: tuple[int, int] | None) -> int:
        """About how many steps times pictures are left to sample."""
        total = 0
        for cell in self.share(shard):
            for what in (entry.measurement for entry in self.left(cell, rows)):
                total += build(what.recipe, "recipe").sampler.num_steps(self.num_tokens(cell.method)) * what.num_images
        return total

    def missing(self, rows: list[Row]) -> int:
        """How many cells are not finished yet."""
        return sum(bool(self.left(cell, rows)) for cell in self.cells)

    def num_tokens(self, method: str) -> int:
        """N of the method's prior."""
        return self.runner.priors[self.suite.priors[self.suite.methods[method].priors[0]]].layout().num_tokens

    def _reports(self, cell: Cell, recipes: list[Recipe]) -> list[Entry]:
        pairs = itertools.product(recipes, self.suite.seeds)
        return [self._entry("report", cell, recipe, seed, self.num_images) for recipe, seed in pairs]

    def _entry(self, role: Role, cell: Cell, recipe: Recipe, seed: int, num_images: int) -> Entry:
        method = self.suite.methods[cell.method]
        priors = method.priors
        seeds = self.suite.seeds if role == "report" else self.suite.tuning_seeds
        checkpoint = self.suite.priors[priors[seeds.index(seed) % len(priors)]]
        what = self.runner.measurement("sampler", checkpoint, seed, num_images, recipe, self._reranking(method))
        return Entry(Place(role, cell.method, cell.budget), what)


def described(method: Method) -> dict[str, Any]:
    """A method as plain data; one draw is what there was before there could be more."""
    found: dict[str, Any] = describe(method)
    return found if method.best_of > 1 else {k: v for k, v in found.items() if k not in ("best_of", "reranker")}


def carry_out(plan: Plan, shard: tuple[int, int] | None, store: Rows, do: Callable[[Entry], Any]) -> None:
    """Do all measurements of a shard that are not in the store yet; `do` adds them to it."""

    def each(entries: Iterable[Entry]) -> None:
        done = set(plan.done(store.rows))
        for entry in entries:
            if entry.key not in done:
                do(entry)
                done.add(entry.key)

    if shard is None or shard[0] == 1:
        each(itertools.chain(plan.baselines(), plan.likelihoods()))
    for cell in plan.share(shard):
        each(plan.tuning(cell))
        each(plan.report(cell, store.rows))
