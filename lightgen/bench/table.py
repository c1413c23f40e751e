"""Results as a page of markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lightgen.bench.measure import BITS
from lightgen.bench.results import Result, ends, results, sides
from lightgen.bench.rows import Row


def markdown(rows: Sequence[Row], identity: Row) -> str:
    """The page `table.md`: one score by method and budget, then everything by cell, then how it came about.

    Args:
        rows: all rows of a folder.
        identity: of the suite.
    """
    found = results(rows, list(identity["methods"]))
    rules, score = found[0].rows[0]["rules"], identity["score"]
    return "\n".join(
        [
            f"# {score} by method and network evaluations\n",
            *by_budget(found, score),
            "",
            f"Mean over seeds {', '.join(map(str, identity['seeds']))} and the half width of its 95 % interval; "
            f"{rules['num_fake']} pictures a seed against {rules['num_real']} reference pictures."
            f"{tuning(rows, identity)}\n",
            *by_end(rows, identity),
            "",
            *by_likelihood(rows),
            "\n## Everything\n",
            *by_cell(found, identity),
            "\n## How the numbers came about\n",
            *(f"- {name}: {value}" for name, value in provenance(rows).items()),
            "",
        ]
    )


def tuning(rows: Sequence[Row], identity: Row) -> str:
    """The sentence that says how settings were chosen; none where there was nothing to choose."""
    number = next((row["num_images"] for row in rows if row["role"] == "tuning"), None)
    if number is None:
        return ""
    seeds = ", ".join(map(str, identity["tuning_seeds"]))
    several = len(identity["tuning_seeds"]) > 1
    return f" Settings were chosen at each budget on seed{'s' * several} {seeds}, {number} pictures{' each' * several}."


def by_budget(found: Sequence[Result], score: str) -> list[str]:
    """The lines of a table, a method a line, a budget a column."""
    methods, budgets = sides(found)
    cells = {(result.method, result.budget): str(result.score(score)) for result in found}
    head = ["| method | " + " | ".join(map(str, budgets)) + " |", "|---|" + "---|" * len(budgets)]
    return head + [f"| {m} | " + " | ".join(cells.get((m, b), "") for b in budgets) + " |" for m in methods]


def by_end(rows: Sequence[Row], identity: Row) -> list[str]:
    """The lines of the table of what results are compared with."""
    score = identity["score"]
    head = [f"| compare with | {score} |", "|---|---|"]
    return head + [f"| {name} | {row['scores'][score]:.4g} |" for name, row in ends(rows, identity["priors"])]


def bits(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Each prior that has a likelihood, and its held-out bits per token with their standard error over pictures."""
    found = [(row["method"], row["scores"]) for row in rows if row["role"] == "likelihood"]
    return [(name, f"{scores[BITS]:.3f} ± {scores[f'{BITS} standard error']:.3f}") for name, scores in found]


def by_likelihood(rows: Sequence[Row]) -> list[str]:
    """The lines of the table of held-out likelihoods; none where no prior has one."""
    lines = [f"| {name} | {value} |" for name, value in bits(rows)]
    return [f"| prior | held-out {BITS} ± s.e. |", "|---|---|", *lines] if lines else []


def columns(found: Sequence[Result]) -> list[str]:
    """The scores worth a column: standard errors are those of one seed, and there is an interval over seeds."""
    return [name for name in found[0].score_names if not name.endswith("standard error")] if found else []


def cells(result: Result, identity: Row, scores: Sequence[str]) -> list[str]:
    """A result's line of everything."""
    grid = identity["methods"][result.method]["grid"]
    return [
        result.method,
        str(result.budget),
        f"{result.evaluations:.1f}",
        f"{1000 * result.seconds:.1f}",
        str(result.num_images),
        *(str(result.score(name)) for name in scores),
        result.setting(grid) or "nothing to choose",
    ]


def heads(scores: Sequence[str]) -> list[str]:
    """The heads of `cells`."""
    return ["method", "budget", "evaluations", "ms a picture", "pictures", *scores, "chosen"]


def by_cell(found: Sequence[Result], identity: Row) -> list[str]:
    """The lines of the table of everything."""
    scores = columns(found)
    lines = [heads(scores), ["---"] * len(heads(scores)), *(cells(result, identity, scores) for result in found)]
    return ["| " + " | ".join(line) + " |" for line in lines]


def provenance(rows: Sequence[Row]) -> dict[str, Any]:
    """How the reported rows came about; where they are of several versions or machines, all of those."""
    reported = [row for row in rows if row["role"] == "report"]
    row, rules = reported[0], reported[0]["rules"]
    names = ("protocol", "resize", "quantisation", "split", "num_real", "num_fake", "k", "ball")
    return {
        **{name: rules[name] for name in names},
        "data": f"{row['data']['name']}, fingerprint {row['data_fingerprint']}",
        **{
            name: ", ".join(dict.fromkeys(row[name] for row in reported))
            for name in ("lightgen", "torch", "python", "git", "device")
        },
    }
