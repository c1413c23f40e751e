"""Results as one self-contained web page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from lightgen.bench.likelihood import BITS
from lightgen.bench.results import Result, scored, setting, sides
from lightgen.bench.rows import Identity, Row
from lightgen.bench.table import (
    ADAPTIVE,
    bits,
    by_baseline,
    by_cell,
    by_evaluations,
    heads,
    provenance,
    tuning,
)

TEMPLATE = Path(__file__).with_name("page.html")
SHEET = """<h2>The same pictures under every method</h2>
<div class="wide"><img src="{}" alt="the first pictures of the first seed, a row a method, a column a budget"></div>"""


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
    tried = [row for row in rows if row.place.role == "tuning"]
    text = Template(TEMPLATE.read_text(encoding="utf-8"))
    return text.substitute(
        title=escape(title),
        score=escape(score),
        lead=escape(
            f"{'Higher' if higher else 'Lower'} is better. {first.measurement.num_images} pictures of each of "
            f"{len(identity.seeds)} seeds against {first.num_real} reference pictures; ± is the half "
            f"width of a 95 % interval over seeds.{tuning(rows, identity)}"
        ),
        curves=_inline(curves),
        sheet=SHEET.format(_inline(sheet)) if sheet.is_file() else "",
        by_budget=_budgets(found, score, higher),
        by_evaluations=_table([*ADAPTIVE, score, "setting"], by_evaluations(found, identity)),
        by_baseline=_table(["compare with", score], by_baseline(rows, identity)),
        by_prior=_table(["prior", f"held-out {BITS} ± s.e."], bits(rows)),
        by_cell=_table(heads(found), by_cell(found, identity), sortable=True),
        num_tuning=len(tried),
        tuning=_table(
            ["method", "budget", "seed", score, "setting"],
            [_tried(row, identity) for row in tried if score in row.scores],
            sortable=True,
        ),
        provenance=_table(["what", "value"], [[name, str(value)] for name, value in provenance(rows).items()]),
    )


def _tried(row: Row, identity: Identity) -> list[str]:
    place, what = row.place, row.measurement
    return [
        place.method,
        "adaptive" if place.budget is None else str(place.budget),
        str(what.seed),
        f"{row.scores[identity.score]:.4g}",
        setting(what.recipe or {}, identity.grid(place.method)),
    ]


def _budgets(found: Sequence[Result], score: str, higher: bool) -> str:
    methods, budgets = sides(found)
    intervals = {(result.method, result.budget): result.score(score) for result in found}
    best = {
        budget: (max if higher else min)((i for (_, b), i in intervals.items() if b == budget), key=lambda i: i.mean)
        for budget in budgets
    }
    if not budgets:
        return ""
    body = []
    for method in methods:
        line = f"<td>{escape(method)}</td>"
        for budget in budgets:
            there = intervals.get((method, budget))
            mark = ' class="best"' if there is not None and not there.apart(best[budget]) else ""
            line += f"<td{mark}>{there or ''}</td>"
        body.append(f"<tr>{line}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in ("method", *map(str, budgets)))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]], sortable: bool = False) -> str:
    if not lines:
        return ""
    inside = '<button type="button">{}</button>' if sortable else "{}"
    head = "".join(f"<th>{inside.format(escape(name))}</th>" for name in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    mark = ' class="sortable"' if sortable else ""
    return f"<table{mark}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
