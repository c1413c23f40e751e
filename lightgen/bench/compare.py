"""Two folders of results side by side: what differs beyond chance."""

from __future__ import annotations

from collections.abc import Sequence

from lightgen.bench.results import Result


def compare(a: Sequence[Result], b: Sequence[Result], score: str) -> list[str]:
    """Lines of markdown: every cell that both have, its two scores, and whether their intervals are apart.

    Args:
        a, b: results.
        score: the name of the score.

    Raises:
        ValueError: if the two have no cell in common.
    """
    first, second = ({(r.method, r.budget): r for r in found} for found in (a, b))
    common = [cell for cell in first if cell in second]
    if not common:
        raise ValueError("the two have no method at the same budget in common")
    lines, apart = ["| method | budget | A | B | differ |", "|---|---|---|---|---|"], 0
    for cell in common:
        ours, theirs = first[cell].score(score), second[cell].score(score)
        apart += ours.apart(theirs)
        lines.append(f"| {cell[0]} | {cell[1]} | {ours} | {theirs} | {'yes' if ours.apart(theirs) else ''} |")
    lines.append("")
    lines.append(f"{apart} of {len(common)} cells differ in {score} beyond their 95 % intervals.")
    for name, alone in (("A", set(first) - set(second)), ("B", set(second) - set(first))):
        if alone:
            lines.append(f"Only in {name}: {', '.join(f'{method} at {budget}' for method, budget in sorted(alone))}.")
    return lines
