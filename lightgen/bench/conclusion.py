"""What a comparison comes to, in words: who is ahead at which budget, and who is level with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lightgen.bench.digits import decimals, written
from lightgen.bench.results import Result, sides

FEW = 2
"""So many methods are named; more are counted."""


def best_of(found: Sequence[Result], score: str, higher: bool) -> Result:
    """The result with the best mean."""
    return (max if higher else min)(found, key=lambda result: result.score(score).mean)


def level(found: Sequence[Result], score: str, higher: bool) -> list[Result]:
    """The best, then those whose intervals touch its."""
    best = best_of(found, score, higher)
    others = [r for r in found if r is not best and not r.score(score).apart(best.score(score))]
    return [best, *others]


def leaders(found: Sequence[Result], score: str, higher: bool) -> set[tuple[str, int]]:
    """Method and budget of the best at each budget, and of those that are level with it."""
    _, budgets = sides(found)
    return {(r.method, b) for b in budgets for r in level([r for r in found if r.budget == b], score, higher)}


def conclusion(found: Sequence[Result], score: str, higher: bool) -> str:
    """Sentences: which method is best at which budget, and which are not told apart from it.

    Args:
        found: what was reported.
        score: the label of the score.
        higher: whether higher is better.
    """
    extreme = "highest" if higher else "lowest"
    _, budgets = sides(found)
    at = {budget: [r for r in found if r.budget == budget] for budget in budgets}
    ahead = {budget: level(cell, score, higher) for budget, cell in at.items()}
    text = []
    if budgets:
        winners = _by({budget: cell[0].method for budget, cell in ahead.items()})
        (first, where), *others = winners
        parts = [f"{first} at {where} network evaluations", *(f"{name} at {where}" for name, where in others)]
        text.append(f"{extreme.capitalize()} {score}: {'; '.join(parts)}.")
        ties = {budget: _names(cell[1:], len(at[budget]) - 1) for budget, cell in ahead.items() if len(cell) > 1}
        if ties:
            named = "; ".join(f"{names} at {where}" for names, where in _by(ties))
            text.append(f"Level with the {extreme}, as 95 % intervals touch: {named}.")
        if clear := [b for b in budgets if b not in ties and len(at[b]) > 1]:
            text.append(f"Ahead of all others beyond the intervals at {_list(clear)}.")
        alone = [b for b in budgets if len(at[b]) == 1]
        if alone and len({r.method for r in found}) > 1:
            text.append(f"Nothing else was measured at {_list(alone)}.")
    text += _adaptive(found, ahead, score, higher)
    return " ".join(text)


def _adaptive(found: Sequence[Result], ahead: dict[int, list[Result]], score: str, higher: bool) -> Iterator[str]:
    digits = decimals(r.score(score) for r in found)
    extreme = "highest" if higher else "lowest"
    for method in dict.fromkeys(r.method for r in found if r.budget is None):
        ours = best_of([r for r in found if r.method == method and r.budget is None], score, higher)
        said = f"{method}, which is adaptive, has {written(ours.score(score), digits)} at {ours.evaluations:.1f}"
        if not ahead:
            yield f"{said} network evaluations."
            continue
        # Against those that may spend at least as much.
        budget = min((b for b in ahead if b >= ours.evaluations), default=max(ahead))
        rival = ahead[budget][0].score(score)
        better = (ours.score(score).mean > rival.mean) == higher
        verdict = ("better than" if better else "behind") if ours.score(score).apart(rival) else "level with"
        yield f"{said}, {verdict} the {extreme} at {budget}."


def _by(values: dict[int, str]) -> list[tuple[str, str]]:
    """Each value once, with the budgets that have it."""
    return [(name, _list([b for b, v in values.items() if v == name])) for name in dict.fromkeys(values.values())]


def _names(results: Sequence[Result], others: int) -> str:
    if len(results) <= FEW:
        return " and ".join(r.method for r in results)
    return f"all {others} others" if len(results) == others else f"{len(results)} others"


def _list(budgets: Sequence[int]) -> str:
    *first, last = map(str, budgets)
    return f"{', '.join(first)} and {last}" if first else last
