"""A row of priors on a command line: `--ckpt_path LOW --sampler.steps 8 --then HIGH --sampler.steps 4`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lightgen.cascade import Cascade
from lightgen.checkpoint import fingerprint, load
from lightgen.cli.overrides import Overrides
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.registry import describe
from lightgen.types import Canvas

OPTION = "--then"
HELP = (
    "another prior, trained on the ids of the one before it, which it makes finer; --sampler, --warps and --guidance "
    "behind a --then are of that prior"
)


@dataclass(frozen=True)
class Stage:
    """A prior that goes on from another."""

    path: str
    """Of its checkpoint."""
    overrides: Overrides
    """What changes its recipe."""


def split(arguments: Sequence[str], parts: Sequence[str]) -> tuple[list[str], list[Stage]]:
    """The command line of the first prior, and the others in their order.

    Args:
        arguments: the command line, with located configs; options of no prior may stand anywhere.
        parts: of a recipe.

    Raises:
        ValueError: if a --then names no checkpoint.
    """
    first: list[str] = []
    stages: list[tuple[str, list[str]]] = []
    words = list(arguments)
    while words:
        word = words.pop(0)
        option, equals, path = word.partition("=")
        if option != OPTION:
            (stages[-1][1] if stages else first).append(word)
            continue
        if not equals:
            path = words.pop(0) if words and not words[0].startswith("--") else ""
        if not path:
            raise ValueError(
                f"{OPTION} needs a checkpoint: of a prior that was trained with the ids of the one before it"
            )
        stages.append((path, []))
    later = [Stage(path, Overrides(own, parts)) for path, own in stages]
    return [*first, *(word for stage in later for word in stage.overrides.rest)], later


def loaded(later: list[Stage]) -> list[tuple[Prior, Overrides]]:
    """The priors that go on from the first, each with what changes its recipe.

    Raises:
        ValueError: if one cannot be read.
    """
    return [(load(stage.path, "prior"), stage.overrides) for stage in later]


def cascade(all_stages: list[tuple[Prior, Recipe]]) -> Cascade | None:
    """Several priors in a row; None of one.

    Raises:
        ValueError: if one does not fit the one before it.
    """
    return None if len(all_stages) == 1 else Cascade(*map(list, zip(*all_stages, strict=True)))


def record(prior: Prior, recipe: Recipe) -> dict[str, Any]:
    """What a later prior decides of the pictures, as plain data."""
    return {"weights": fingerprint(prior), **describe(recipe)["arguments"]}


def num_steps(prior: Prior, recipe: Recipe, canvas: Canvas | None, start: float = 1.0) -> int:
    """The most steps of a picture by one prior; where a token is written once, no more than there are tokens."""
    sampler, num_tokens = recipe.sampler, prior.layout(canvas).num_tokens
    steps = sampler.num_steps(num_tokens) - sampler.first_step(start, num_tokens)
    return min(steps, num_tokens) if sampler.revises == "no" else steps


def by(prior: Prior, recipe: Recipe, canvas: Canvas | None, start: float = 1.0) -> str:
    """A sampler and its steps, in words."""
    steps, num_tokens = num_steps(prior, recipe, canvas, start), prior.layout(canvas).num_tokens
    asked = getattr(recipe.sampler, "steps", steps)
    less = f" (the last of {asked})" if start < 1 else f" (the most for {num_tokens} tokens), not {asked}"
    return f"{type(recipe.sampler).__name__}, {count(steps, 'step')}{less if steps < asked else ''}"


def count(number: int, what: str) -> str:
    """A number of things, in words."""
    return f"{number} {what}{'' if number == 1 else 's'}"
