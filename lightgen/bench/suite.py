"""What a benchmark compares: methods, budgets of network evaluations, the settings that are tried, seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lightgen.bench.priors import common_pictures
from lightgen.data.base import ImageData
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.metrics.scores import Score, checked
from lightgen.recipe import Recipe
from lightgen.registry import build, describe


@dataclass(frozen=True)
class Method:
    """A line of the comparison: a recipe on a prior, and the settings of it that are tried.

    Args:
        prior: one of the suite's; or one for each reporting seed, so that intervals are over trainings too.
        recipe: sampler, warps and guidance; the sampler's `steps` follow from the budget.
        grid: values by argument of the recipe, e.g. `{warps.temperature: [0.7, 1.0], guidance.scale: [1, 2]}`; every
            combination is tried.
        evaluations: budgets in place of the suite's; none for an adaptive sampler, which spends what it measures.
        best_of: draws of each picture, all of which the budget pays for, and of which the reranker keeps one.
        reranker: the checkpoint of a scorer, which must not be the suite's judge.
    """

    prior: str | list[str]
    recipe: Recipe
    grid: dict[str, list[Any]] = field(default_factory=dict)
    evaluations: list[int] | None = None
    best_of: int = 1
    reranker: str | None = None

    @property
    def priors(self) -> list[str]:
        """The names of its priors: one, or one for each reporting seed."""
        return [self.prior] if isinstance(self.prior, str) else self.prior


class Suite:
    """A fair comparison: every method is tuned at every budget, on other seeds than those that are reported.

    A budget is a number of network evaluations for a picture; a method takes as many steps as fit, so that a guided
    step, which evaluates the network with and without the class, counts twice. An adaptive sampler has no budget: of
    the recipes in its grid, those are reported that none of the others beats on the tuning seeds both in evaluations
    and in score.

    Args:
        priors: checkpoints by name.
        methods: what is compared, by name.
        protocol: how pictures are compared.
        evaluations: the budgets.
        data: the pictures that are the reference; None takes those that the priors were trained on.
        num_images: for each reporting seed; None takes as many as there are reference pictures.
        seeds: of the pictures that are reported, at least two.
        tuning_images: for each tuning seed and setting; None takes `num_images`.
        tuning_seeds: of the pictures that settings are chosen by.
        scores: what is computed, e.g. `[FDScore, KIDScore, NoveltyScore]`; None takes FD, KID, precision, recall,
            density and coverage. Measurements that lack one of them are made again.
        tune_by: the name of the score that settings are chosen by, e.g. KID or recall.
        reference: a file of statistics of the whole split that the Frechet distance is to, made where it is missing;
            None takes the reference pictures.
        batch_size: pictures at a time.
        judge: the checkpoint of a scorer that says how well pictures fit what they were asked for by, their text or the
            name of their class.

    Raises:
        ValueError: in one line, if a method names no prior or no argument that there is, a number is out of range, or
            a seed is in both lists.
    """

    def __init__(
        self,
        priors: dict[str, str],
        methods: dict[str, Method],
        protocol: EvaluationProtocol,
        evaluations: list[int],
        data: ImageData | None = None,
        num_images: int | None = None,
        seeds: tuple[int, ...] = (0, 1, 2),
        tuning_images: int | None = None,
        tuning_seeds: tuple[int, ...] = (1000,),
        scores: list[Score] | None = None,
        tune_by: str = "KID",
        reference: str | None = None,
        batch_size: int = 64,
        judge: str | None = None,
    ) -> None:
        self.data = common_pictures(priors) if data is None else data
        self.priors, self.methods, self.protocol = priors, methods, protocol
        self.evaluations, self.num_images, self.seeds = evaluations, num_images, tuple(seeds)
        self.judge = judge
        self.tuning_images, self.tuning_seeds = tuning_images or num_images, tuple(tuning_seeds)
        self.scores, self.tune_by, self.reference, self.batch_size = checked(scores), tune_by, reference, batch_size
        self._check()

    def _check(self) -> None:
        if not self.methods:
            raise ValueError("a suite needs at least one method")
        grids = (setting for method in self.methods.values() for setting in method.grid)
        for name in (*self.priors, *self.methods, *grids):
            # YAML reads 3, true and null as what they are.
            if not isinstance(name, str):
                raise ValueError(
                    f'names of priors, methods and settings are text: write "{json.dumps(name)}" in quotes'
                )
        for name, method in self.methods.items():
            if unknown := [prior for prior in method.priors if prior not in self.priors]:
                raise ValueError(f"method {name} wants prior {unknown[0]}; there are {', '.join(self.priors)}")
            if len(method.priors) not in (1, len(self.seeds)):
                raise ValueError(
                    f"method {name} has {len(method.priors)} priors; give one, or one for each of the seeds"
                )
            if method.best_of < 1 or (method.best_of == 1) != (method.reranker is None):
                raise ValueError(f"method {name} needs a best_of above 1 and a reranker, or neither")
            list(recipes(method))
        budgets = [b for method in self.methods.values() for b in method.evaluations or self.evaluations]
        if not budgets:
            raise ValueError("evaluations names no budget; give numbers of network evaluations, e.g. [8, 16]")
        for what, least in (("evaluations", min(budgets)), ("batch_size", self.batch_size)):
            if least < 1:
                raise ValueError(f"{what} must be at least 1, not {least}")
        for what, number in (("num_images", self.num_images), ("tuning_images", self.tuning_images)):
            if number is not None and number <= self.protocol.k:
                raise ValueError(f"{what} must be above {self.protocol.k}, the neighbours of precision, not {number}")
        if len(self.seeds) < 2 or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a suite needs at least two seeds, all different, or there are no intervals")
        if both := set(self.seeds) & set(self.tuning_seeds):
            raise ValueError(f"seed {min(both)} is both tuned on and reported; tune on other seeds than are reported")
        if not self.tuning_seeds and any(len(list(recipes(m))) > 1 for m in self.methods.values()):
            raise ValueError("methods with a grid need tuning_seeds")
        if self.protocol.whole_split and self.reference is None:
            raise ValueError(
                f"protocol {self.protocol.name} wants statistics of the whole {self.protocol.split} split; "
                "give a file for them with reference: it is made where it is missing"
            )
        if self.tune_by not in (names := [score.name for score in self.scores]):
            raise ValueError(f"tune_by must be one of the scores {', '.join(names)}, not {self.tune_by}")

    @property
    def tuned_score(self) -> Score:
        """The score that settings are chosen by."""
        return next(score for score in self.scores if score.name == self.tune_by)

    @property
    def label(self) -> str:
        """What results call it."""
        return self.tuned_score.label(self.protocol.features.name)


def recipes(method: Method) -> Iterator[Recipe]:
    """Every combination of a method's grid.

    Raises:
        ValueError: if the grid names an argument that there is not, or a value is out of range.
    """
    for values in itertools.product(*method.grid.values()):
        parts = describe(method.recipe)
        for path, value in zip(method.grid, values, strict=True):
            _set(parts["arguments"], path, value)
        try:
            recipe: Recipe = build(parts, "recipe")
        except TypeError:
            chosen = ", ".join(f"{path} {value!r}" for path, value in zip(method.grid, values, strict=True))
            raise ValueError(f"a grid has a value of the wrong type among {chosen}") from None
        yield recipe


def within(recipe: Recipe, budget: int, num_tokens: int) -> Recipe | None:
    """The recipe with as many steps as take at most `budget` network evaluations; None if not even one step does."""
    if not recipe.sampler.takes_steps:
        return recipe if recipe.num_evaluations(num_tokens) <= budget else None
    for steps in range(budget, 0, -1):
        fitted = recipe.changed(steps=steps)
        if fitted.num_evaluations(num_tokens) <= budget:
            return fitted
    return None


def budgets(suite: Suite, method: Method, num_tokens: int) -> list[int]:
    """The budgets of a method; one that has no steps to choose has those that its recipes take."""
    if method.recipe.sampler.takes_steps:
        return method.evaluations or suite.evaluations
    return sorted({method.best_of * recipe.num_evaluations(num_tokens) for recipe in recipes(method)})


def _set(parts: dict[str, Any], path: str, value: Any) -> None:
    part, *names = path.split(".")
    found = parts.get(part)
    for name in names[:-1]:
        found = found and found["arguments"].get(name)
    if not names or not found or names[-1] not in found["arguments"]:
        there = [f"{p}.{a}" for p, d in parts.items() if d for a in d["arguments"]]
        raise ValueError(f"a grid names {path}, which is not there; there are {', '.join(there)}")
    found["arguments"][names[-1]] = value
