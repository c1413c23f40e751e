"""Results as a page of markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lightgen.bench.conclusion import conclusion, leaders
from lightgen.bench.digits import decimals, number, written
from lightgen.bench.likelihood import BITS
from lightgen.bench.results import Result, baselines, scored, sides
from lightgen.bench.rows import Identity, Row
from lightgen.metrics.scores import standard_error_of

ADAPTIVE = ("adaptive method", "evaluations, measured")
RULES = ("protocol", "resize", "quantisation", "split", "num_real", "num_fake", "k", "ball")


def markdown(rows: Sequence[Row], identity: Identity) -> str:
    """The page `table.md`: the conclusion, one score by method and budget, everything by cell, how it came about.

    Args:
        rows: all rows of a folder.
        identity: of the suite.
    """
    found, score = scored(rows, identity), identity.score
    first = found[0].rows[0]
    adaptive = by_evaluations(found, identity)
    parts = [
        [conclusion(found, score, identity.higher_is_better)],
        table(*by_budget(found, score)),
        table([*ADAPTIVE, score, "setting"], adaptive),
        [
            f"Mean over seeds {', '.join(map(str, identity.seeds))} and the half width of its 95 % interval; "
            f"{first.measurement.num_images} pictures a seed against {first.num_real} reference pictures."
            f"{tuning(rows, identity)}"
        ],
        table(["compare with", score], by_baseline(rows, found, identity)),
        table(["prior", f"held-out {BITS} ± s.e."], bits(rows)),
        ["## Everything"],
        table(heads(found), by_cell(found, identity)),
        ["## How the numbers came about"],
        [f"- {name}: {value}" for name, value in provenance(rows).items()],
    ]
    text = "\n\n".join("\n".join(part) for part in parts if part)
    return f"# {score} by method and network evaluations\n\n{text}\n"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """Lines of markdown; none where there is nothing in it."""
    if not body:
        return []
    first, *others = ("| " + " | ".join(line) + " |" for line in (head, *body))
    return [first, "|" + "---|" * len(head), *others]


def tuning(rows: Sequence[Row], identity: Identity) -> str:
    """The sentence that says how settings were chosen; none where there was nothing to choose."""
    number = next((row.measurement.num_images for row in rows if row.place.role == "tuning"), None)
    if number is None:
        return ""
    seeds = ", ".join(map(str, identity.tuning_seeds))
    several = len(identity.tuning_seeds) > 1
    return f" Settings were chosen at each budget on seed{'s' * several} {seeds}, {number} pictures{' each' * several}."


def by_budget(found: Sequence[Result], score: str) -> tuple[list[str], list[list[str]]]:
    """Head and body of a table, a method a line, a budget a column."""
    methods, budgets = sides(found)
    digits = decimals(result.score(score) for result in found)
    cells = {(result.method, result.budget): written(result.score(score), digits) for result in found}
    return ["method", *map(str, budgets)], [[m, *(cells.get((m, b), "") for b in budgets)] for m in methods]


def on_screen(found: Sequence[Result], score: str, higher_is_better: bool, width: int) -> list[str]:
    """The table `by_budget` in aligned lines, a star at the best of a column and at those level with it.

    Half widths are left out where the lines would be longer than `width`.
    """
    head, body = by_budget(found, score)
    _, budgets = sides(found)
    best = leaders(found, score, higher_is_better)
    for line in body:
        line[1:] = [f"{cell}{'*' if (line[0], b) in best else ' '}" for b, cell in zip(budgets, line[1:], strict=True)]
    head = [head[0], *(f"{name} " for name in head[1:])]
    for short in (False, True):
        cells = [[re.sub(" ± [0-9.]+", "", cell) if short else cell for cell in line] for line in (head, *body)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip() for line in cells
        ]
        if max(map(len, lines)) <= width:
            break
    return lines


def by_evaluations(found: Sequence[Result], identity: Identity) -> list[list[str]]:
    """Each result of an adaptive sampler, where it was measured to be."""
    digits = decimals(result.score(identity.score) for result in found)
    return [
        [r.method, f"{r.evaluations:.1f}", written(r.score(identity.score), digits), r.setting(identity.grid(r.method))]
        for r in found
        if r.budget is None
    ]


def by_baseline(rows: Sequence[Row], found: Sequence[Result], identity: Identity) -> list[list[str]]:
    """What results are compared with, and its score."""
    digits = decimals(result.score(identity.score) for result in found)
    named = baselines(rows, identity.priors)
    return [[name, number(row.scores[identity.score], digits)] for name, row in named if identity.score in row.scores]


def bits(rows: Sequence[Row]) -> list[list[str]]:
    """Each prior that has a likelihood, and its held-out bits per token with their standard error over pictures."""
    found = [(row.place.method, row.scores) for row in rows if row.place.role == "likelihood"]
    return [[name, f"{scores[BITS]:.3f} ± {scores[standard_error_of(BITS)]:.3f}"] for name, scores in found]


def columns(found: Sequence[Result]) -> list[str]:
    """The scores worth a column: standard errors are those of one seed, and there is an interval over seeds."""
    labels = dict.fromkeys(label for result in found for row in result.rows for label in row.scores)
    return [label for label in labels if label not in map(standard_error_of, labels)]


def heads(found: Sequence[Result]) -> list[str]:
    """The heads of `by_cell`."""
    return ["method", "budget", "evaluations", "ms a picture", "pictures", *columns(found), "chosen"]


def by_cell(found: Sequence[Result], identity: Identity) -> list[list[str]]:
    """Everything, a result a line."""
    labels = columns(found)
    digits = {label: decimals(result.score(label) for result in found if result.has(label)) for label in labels}
    return [
        [
            result.method,
            "adaptive" if result.budget is None else str(result.budget),
            f"{result.evaluations:.1f}",
            f"{1000 * result.seconds:.1f}",
            str(result.num_images),
            *(written(result.score(label), digits[label]) if result.has(label) else "not measured" for label in labels),
            result.setting(identity.grid(result.method)) or "nothing to choose",
        ]
        for result in found
    ]


def provenance(rows: Sequence[Row]) -> dict[str, Any]:
    """How the reported rows came about; where they are of several versions or machines, all of those."""
    reported = [row for row in rows if row.place.role == "report"]
    first = reported[0]
    return {
        **{name: first.rules[name] for name in RULES},
        "data": f"{first.measurement.data['name']}, fingerprint {first.measurement.data_fingerprint}",
        **{name: ", ".join(dict.fromkeys(row.provenance[name] for row in reported)) for name in first.provenance},
    }
