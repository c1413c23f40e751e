"""The figure of a comparison: score over network evaluations, and over seconds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from lightgen.bench.results import Interval, Result, front, sides
from lightgen.functional.files import atomic

MARKERS = "osD^vP"
FRONT, GREY = "#111111", "#666666"


def save_curves(
    found: Sequence[Result], path: Path, score: str, lines: dict[str, float], higher_is_better: bool = False
) -> None:
    """Write `curves.png` and `curves.svg`: a line a method with 95 % intervals, rings around the Pareto front.

    Every result stands at the evaluations that it was measured to take, whatever its budget. The axis holds the
    results; lines to compare with that lie outside of it are named at its edge.

    Args:
        found: what was reported.
        path: of the PNG; the SVG lies beside it.
        score: the label of the score.
        lines: named horizontal lines to compare with.
        higher_is_better: of the score.
    """
    figure = Figure(figsize=(12, 5.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2, sharey=True)
    costs = {
        "network evaluations a picture": [r.evaluations for r in found],
        "milliseconds a picture": [1000 * r.seconds for r in found],
    }
    for ax, (name, cost) in zip(axes, costs.items(), strict=True):
        _panel(ax, found, cost, score, -1 if higher_is_better else 1)
        for level in lines.values():
            ax.axhline(level, color=GREY, linestyle="--", linewidth=1, zorder=1)
        ax.set_xscale("log")
        ax.set_xlabel(name)
        ax.spines[["top", "right"]].set_visible(False)
    ends = [i.mean + sign * _bar(i) for i in (r.score(score) for r in found) for sign in (-1, 1)]
    if (height := max(ends) - min(ends)) > 0:
        axes[0].set_ylim(min(ends) - 0.06 * height, max(ends) + 0.06 * height)
    _, budgets = sides(found)
    if budgets:
        axes[0].set_xticks(budgets, [str(b) for b in budgets])
        axes[0].minorticks_off()
    axes[1].xaxis.set_major_formatter(LogFormatter())
    axes[1].xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes[0].set_ylabel(score)
    axes[0].set_title(f"{'higher' if higher_is_better else 'lower'} is better; rings: no other method is better and "
                      "cheaper", loc="left", fontsize=10)  # fmt: skip
    _label_levels(axes[1], lines)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=9, frameon=False)
    with atomic(path) as temporary:
        figure.savefig(temporary)
    # The same results give the same file.
    with atomic(path.with_suffix(".svg")) as temporary, rc_context({"svg.hashsalt": "lightgen"}):
        figure.savefig(temporary, transparent=True, metadata={"Date": None})


def _panel(ax: Axes, found: Sequence[Result], cost: Sequence[float], score: str, sign: int) -> None:
    intervals = [r.score(score) for r in found]
    colours = colormaps["tab20"].resampled(20)
    for number, method in enumerate(dict.fromkeys(r.method for r in found)):
        ours = [i for i, r in enumerate(found) if r.method == method]
        halves = [_bar(intervals[i]) for i in ours]
        ax.errorbar([cost[i] for i in ours], [intervals[i].mean for i in ours], halves, label=method, capsize=2,
                    marker=MARKERS[number % len(MARKERS)], markersize=5, linewidth=1.4, elinewidth=0.8,
                    color=colours(2 * number % 20 + number // 10 % 2))  # fmt: skip
    best = front([(c, sign * i.mean) for c, i in zip(cost, intervals, strict=True)])
    chosen = [i for i, is_best in enumerate(best) if is_best]
    ax.plot([cost[i] for i in chosen], [intervals[i].mean for i in chosen], linestyle="none", marker="o",
            markersize=12, markerfacecolor="none", markeredgecolor=FRONT, zorder=4)  # fmt: skip


def _bar(interval: Interval) -> float:
    """The half width to draw: none where a single seed leaves it unknown."""
    return interval.half if math.isfinite(interval.half) else 0.0


def _label_levels(axes: Axes, lines: dict[str, float]) -> None:
    """Write the names of horizontal lines to the right of them, one under another where they are close.

    Those above or below the axes are named at the edge, with an arrow.
    """
    low, high = axes.get_ylim()
    heights = _spread([min(max(level, low), high) for level in lines.values()], 0.05 * (high - low))
    for (name, level), height in zip(lines.items(), heights, strict=True):
        arrow = "↑ " if level > high else "↓ " if level < low else ""
        axes.annotate(f"{arrow}{name} {level:.3g}", (1.01, height), xycoords=("axes fraction", "data"), va="center",
                      fontsize=8, color=GREY)  # fmt: skip


def _spread(levels: list[float], gap: float) -> list[float]:
    """The levels, raised where needed to lie at least `gap` apart."""
    heights: dict[int, float] = {}
    floor = -math.inf
    for i in sorted(range(len(levels)), key=levels.__getitem__):
        heights[i] = max(levels[i], floor)
        floor = heights[i] + gap
    return [heights[i] for i in range(len(levels))]
