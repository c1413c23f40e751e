"""Two folders of results side by side: what differs beyond chance."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lightgen.bench.digits import decimals, written
from lightgen.bench.results import Result

Cell = tuple[str, int | str]


def compare(a: Sequence[Result], b: Sequence[Result], score: str) -> list[str]:
    """Lines of markdown: every cell that both have, its two scores, and whether their intervals are apart.

    Args:
        a, b: results.
        score: the label of the score.

    Raises:
        ValueError: if the two have no cell in common.
    """
    first, second = ({_cell(r): r for r in found} for found in (a, b))
    common = [cell for cell in first if cell in second]
    if not common:
        raise ValueError("the two have no method at the same budget in common")
    lines, apart = ["| method | budget | A | B | differ |", "|---|---|---|---|---|"], 0
    digits = decimals(side[cell].score(score) for side in (first, second) for cell in common)
    for cell in common:
        ours, theirs = first[cell].score(score), second[cell].score(score)
        apart += ours.apart(theirs)
        differ = "yes" if ours.apart(theirs) else ""
        lines.append(
            f"| {first[cell].method} | {first[cell].at} | {written(ours, digits)} | {written(theirs, digits)} "
            f"| {differ} |"
        )
    lines.append("")
    lines.append(f"{apart} of {len(common)} cells differ in {score} beyond their 95 % intervals.")
    for name, here, there in (("A", first, second), ("B", second, first)):
        if alone := sorted(f"{r.method} at {r.at}" for cell, r in here.items() if cell not in there):
            lines.append(f"Only in {name}: {', '.join(alone)}.")
    return lines


def _cell(result: Result) -> Cell:
    """What two results must share to be compared: the budget, or the whole recipe where there is none."""
    by = json.dumps(result.recipe, sort_keys=True) if result.budget is None else result.budget
    return result.method, by
