"""Results for other programs: a table for LaTeX, and one of comma-separated values."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lightgen.bench.conclusion import leaders
from lightgen.bench.digits import decimals, written
from lightgen.bench.results import Result, sides
from lightgen.bench.rows import Identity
from lightgen.bench.table import columns

SPECIAL = {**{sign: f"\\{sign}" for sign in "&%$#_{}"}, "\\": r"\textbackslash{}", "~": r"\textasciitilde{}",
           "^": r"\textasciicircum{}"}  # fmt: skip
"""What LaTeX reads as a command, and how it is written."""


def latex(found: Sequence[Result], identity: Identity) -> str:
    """A `tabular` with the rules of booktabs: a method a line, a budget a column, the best and its equals in bold."""
    methods, budgets = sides(found)
    digits = decimals(r.score(identity.score) for r in found)
    cells = {(r.method, r.budget): written(r.score(identity.score), digits) for r in found}
    bold = leaders(found, identity.score, identity.higher_is_better)
    lines = []
    for method in methods:
        line = [_escaped(method)]
        for budget in budgets:
            number = cells.get((method, budget), "").replace("±", r"\pm")
            number = rf"\mathbf{{{number}}}" if (method, budget) in bold else number
            line.append(f"${number}$" if number else "--")
        lines.append(" & ".join(line) + r" \\")
    return "\n".join(
        [
            f"% {identity.score} by network evaluations: mean over {len(identity.seeds)} seeds and half width of the",
            r"% 95 % interval; bold: the best, and those whose intervals touch its. Needs \usepackage{booktabs}.",
            rf"\begin{{tabular}}{{l{'r' * len(budgets)}}}",
            r"\toprule",
            " & ".join(["Method", *map(str, budgets)]) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def comma_separated(found: Sequence[Result], identity: Identity) -> str:
    """Every result a line, every score with its half width, in full."""
    labels = columns(found)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    widths = (name for label in labels for name in (label, f"{label} half width"))
    writer.writerow(["method", "budget", "evaluations", "seconds", "pictures", *widths, "chosen"])
    for r in found:
        scores = (r.score(label) if r.has(label) else None for label in labels)
        values = (value for score in scores for value in (("", "") if score is None else (score.mean, score.half)))
        setting = r.setting(identity.grid(r.method))
        writer.writerow([r.method, r.budget or "", r.evaluations, r.seconds, r.num_images, *values, setting])
    return file.getvalue()


def _escaped(text: str) -> str:
    return "".join(SPECIAL.get(sign, sign) for sign in " ".join(text.split()))
