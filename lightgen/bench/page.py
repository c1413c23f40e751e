"""Results as one self-contained web page."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from lightgen.bench.conclusion import conclusion, leaders
from lightgen.bench.digits import decimals, number
from lightgen.bench.likelihood import BITS
from lightgen.bench.results import Interval, Result, scored, setting, sides
from lightgen.bench.rows import Identity, Row
from lightgen.bench.table import (
    ADAPTIVE,
    bits,
    by_baseline,
    by_budget,
    by_cell,
    by_evaluations,
    columns,
    heads,
    provenance,
    tuning,
)
from lightgen.registry import components

TEMPLATE = Path(__file__).with_name("page.html")
SHEET = """<h2>The same pictures under every method</h2>
<p class="lead">The first pictures of the first seed. A dash: no setting of the method fits the budget.</p>
<a href="{}"><img class="sheet" src="{}" alt="a row a method, a column a budget"></a>"""
WORDS = {
    "budget": "network evaluations that a picture may take",
    "evaluations": "those that it took, on average over pictures: fewer than the budget where pictures stop by "
    "themselves or the next step would not fit, so it need not be a whole number",
    "ms a picture": "milliseconds of sampling, without decoding, in the fastest seed",
    "pictures": "of all seeds together",
    "chosen": "the settings that were best on the tuning seeds",
}
"""What a column is."""
BELOW_ZERO = "It is an unbiased estimate: for pictures just like the reference it scatters around 0, also below it."
MARKS = {".png": "image/png", ".svg": "image/svg+xml"}


def page(rows: Sequence[Row], identity: Identity, title: str, curves: Path, sheet: Path) -> str:
    """The page `report.html`.

    Args:
        rows: all rows of a folder.
        identity: of the suite.
        title: of the page.
        curves, sheet: the pictures to put into it; without a sheet, it has no part about it.
    """
    found, score, higher = scored(rows, identity), identity.score, identity.higher_is_better
    first = found[0].rows[0]
    tried = [row for row in rows if row.place.role == "tuning" and score in row.scores]
    digits = decimals(Interval(row.scores[score], 0.0) for row in tried)
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute(
        title=escape(title),
        score=escape(score),
        conclusion=escape(conclusion(found, score, higher)),
        lead=escape(
            f"{'Higher' if higher else 'Lower'} is better. {first.measurement.num_images} pictures of each of "
            f"{len(identity.seeds)} seeds against {first.num_real} reference pictures; ± is the half "
            f"width of a 95 % interval over seeds.{tuning(rows, identity)}"
        ),
        curves=_inline(curves),
        sheet=SHEET.format(sheet.name, _inline(sheet)) if sheet.is_file() else "",
        by_budget=_budgets(found, score, higher),
        by_evaluations=_table([*ADAPTIVE, score, "setting"], by_evaluations(found, identity)),
        by_baseline=_table(["compare with", score], by_baseline(rows, found, identity)),
        by_prior=_table(["prior", f"held-out {BITS} ± s.e."], bits(rows)),
        by_cell=_table(heads(found), by_cell(found, identity), sortable=True),
        words="".join(f"<dt>{escape(name)}</dt><dd>{escape(said)}</dd>" for name, said in _words(found).items()),
        num_tuning=len(tried),
        tuning=_table(
            ["method", "budget", "seed", score, "setting"],
            [_tried(row, identity, digits) for row in tried],
            sortable=True,
        ),
        provenance=_table(["what", "value"], [[name, str(value)] for name, value in provenance(rows).items()]),
    )


def _tried(row: Row, identity: Identity, digits: int) -> list[str]:
    place, what = row.place, row.measurement
    return [
        place.method,
        "adaptive" if place.budget is None else str(place.budget),
        str(what.seed),
        number(row.scores[identity.score], digits),
        setting(what.recipe or {}, identity.grid(place.method)),
    ]


def _words(found: Sequence[Result]) -> dict[str, str]:
    """What the columns of everything are."""
    kinds: list[Any] = components("score")
    scores = {kind.name: (kind.__doc__ or "").split("\n")[0] for kind in kinds}
    known = {label: scores.get(label.split("(")[0], "") for label in columns(found)}
    for label in known:
        if label.startswith("KID"):
            known[label] += f" {BELOW_ZERO}"
    return {**WORDS, **{label: said for label, said in known.items() if said}}


def _budgets(found: Sequence[Result], score: str, higher: bool) -> str:
    head, lines = by_budget(found, score)
    _, budgets = sides(found)
    if not budgets:
        return ""
    best = leaders(found, score, higher)
    body = []
    for method, *cells in lines:
        line = f"<td>{escape(method)}</td>"
        for budget, cell in zip(budgets, cells, strict=True):
            mark = ' class="best"' if (method, budget) in best else ""
            line += f"<td{mark}>{cell or '–'}</td>"
        body.append(f"<tr>{line}</tr>")
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]], sortable: bool = False) -> str:
    if not lines:
        return ""
    inside = '<button type="button">{}</button>' if sortable else "{}"
    head = "".join(f"<th{_explained(name)}>{inside.format(_breakable(name))}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{_breakable(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    mark = ' class="sortable"' if sortable else ""
    return f"<table{mark}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _explained(name: str) -> str:
    return f' title="{escape(WORDS[name])}"' if name in WORDS else ""


def _breakable(text: str) -> str:
    """Where a cell may break: before a half width and a bracket, at a hyphen in a name, never before a number."""
    mean, sign, half = escape(text).partition(" ± ")
    if sign:
        return f"{mean} <span>± {half}</span>"
    text = re.sub(r" (?=[\d.]+(,|$))", "&nbsp;", mean)
    return re.sub(r"(?<=\w)-(?=[a-z])", "-<wbr>", text).replace("(", "<wbr>(")


def _inline(path: Path) -> str:
    return f"data:{MARKS[path.suffix]};base64," + base64.b64encode(path.read_bytes()).decode()
