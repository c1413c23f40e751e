"""Pictures for people: grids, sheets, animations and curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from lightgen.functional.files import atomic

GAP = 2
"""White pixels between the pictures of a grid."""
BLUE, GREY = "#0b6bcb", "#666666"


def grid(images: Tensor | Sequence[Tensor], columns: int | None = None) -> Tensor:
    """One uint8 picture (C, H, W) of many (n, C, H, W), row by row, on white; nearly square by default."""
    images = torch.stack(list(images))
    n, c, h, w = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = torch.full((c, rows * (h + GAP) - GAP, columns * (w + GAP) - GAP), 255, dtype=torch.uint8)
    for i, image in enumerate(images.cpu()):
        top, left = i // columns * (h + GAP), i % columns * (w + GAP)
        sheet[:, top : top + h, left : left + w] = image
    return sheet


def side_by_side(originals: Tensor, reconstructions: Tensor, columns: int = 8) -> Tensor:
    """One uint8 picture of pairs: a row of originals, under it the row of their reconstructions."""
    columns = min(columns, len(originals))
    rows: list[Tensor] = []
    for original, reconstruction in zip(originals.split(columns), reconstructions.split(columns), strict=True):
        blank = torch.full((columns - len(original), *original.shape[1:]), 255, dtype=torch.uint8)
        rows += [original.cpu(), blank, reconstruction.cpu(), blank]
    return grid(torch.cat(rows), columns)


def save_png(image: Tensor, path: Path) -> None:
    """Write a uint8 picture (C, H, W)."""
    with atomic(path) as temporary:
        _pil(image).save(temporary)


def read_png(path: Path) -> Tensor:
    """A uint8 picture (C, H, W) as `save_png` wrote it."""
    with Image.open(path) as image:
        array = np.array(image)
    return torch.from_numpy(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))


def save_gif(frames: Sequence[Tensor], path: Path, milliseconds: int = 120, rest: int = 2000) -> None:
    """Write uint8 pictures (C, H, W) as an endless animation that rests on the last frame."""
    first, *others = [_pil(frame) for frame in frames]
    durations = [milliseconds] * len(others) + [rest]
    with atomic(path) as temporary:
        first.save(temporary, save_all=True, append_images=others, duration=durations, loop=0)


def save_curve(
    steps: Sequence[int], scores: Sequence[float], path: Path, score_name: str, title: str,
    lines: dict[str, float] | None = None,
) -> None:  # fmt: skip
    """Write the figure of a score over steps (log axis), with named horizontal lines to compare with."""
    figure = Figure(figsize=(7.2, 4.0), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    lines = lines or {}
    # Unbiased scores of good pictures may lie below zero.
    lowest, highest = min(0.0, *scores, *lines.values()), max(0.0, *scores, *lines.values())
    margin = 0.08 * (highest - lowest)
    axes.set_ylim(lowest - margin if lowest < 0 else 0, highest + margin)
    axes.plot(steps, scores, marker="o", color=BLUE, linewidth=2)
    for step, score in zip(steps, scores, strict=True):
        axes.annotate(f"{score:.3g}", (step, score), textcoords="offset points", xytext=(0, 8), ha="center", fontsize=8)
    for level in lines.values():
        axes.axhline(level, color=GREY, linestyle="--", linewidth=1, zorder=1)
    label_levels(axes, lines)
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(steps), [str(s) for s in steps])
    axes.set_xlabel("steps")
    axes.set_ylabel(score_name)
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    with atomic(path) as temporary:
        figure.savefig(temporary)


def label_levels(axes: Axes, lines: dict[str, float]) -> None:
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


def _pil(image: Tensor) -> Image.Image:
    array = image.cpu().numpy()
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
