"""The same pictures of the same seed under every method and budget, on one sheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw
from torch import Tensor

from lightgen.bench.generator import SHOWN
from lightgen.bench.results import Result, sides
from lightgen.bench.rows import Row
from lightgen.figures import GAP, as_tensor, font, grid, read_png, save_png
from lightgen.functional.pictures import to_pil

HEAD, LABEL = 26, 190
FONT_SIZE = 14
LONGEST = 60
"""Letters of a part of a file's name."""


def save_cell(images: Tensor, row: Row, folder: Path) -> None:
    """Keep the first pictures (n, C, H, W) of a measurement, as they will be on the sheet, under a name that tells."""
    place, what = row.place, row.measurement
    parts = [place.role, place.method, *([] if place.budget is None else [place.budget]), f"seed-{what.seed}", row.id]
    name = "-".join(re.sub(r"[^\w.]+", "-", str(part), flags=re.ASCII)[:LONGEST].strip("-") for part in parts)
    save_png(grid(images, SHOWN // 2), folder / f"{name}.png")


def save_sheet(found: Sequence[Result], pictures: Path, path: Path) -> None:
    """Write `sheet.png`: a row a method, a column a budget, in each cell the first pictures of the first seed.

    Adaptive samplers, which have no budget, stand below, each picture under the evaluations that it took.

    Args:
        found: what was reported.
        pictures: the folder with the first pictures of each measurement.
        path: of the sheet.

    Raises:
        ValueError: if pictures of a result are not there.
    """
    methods, budgets = sides(found)
    placed = {(r.method, r.budget): r for r in found}
    adaptive = [r for r in found if r.budget is None]
    lines = [(m, [str(b) for b in budgets], [placed.get((m, b)) for b in budgets]) for m in methods]
    for method in dict.fromkeys(r.method for r in adaptive):
        ours = [r for r in adaptive if r.method == method]
        lines.append((method, [f"{r.evaluations:.1f}" for r in ours], list(ours)))
    # A name ends in the id of its row, and was that alone before.
    paths = {path.stem.rpartition("-")[2]: path for path in pictures.glob("*.png")}
    if lacking := [r for r in found if r.rows[0].id not in paths]:
        raise ValueError(
            f"{pictures} lacks the pictures of {lacking[0].method} at {lacking[0].at}, row {lacking[0].rows[0].id}"
        )
    cells = {r.rows[0].id: read_png(paths[r.rows[0].id]) for r in found}
    height, width = next(iter(cells.values())).shape[1:]
    step = (height + 4 * GAP, width + 4 * GAP)
    # Columns are named where names change: over the first method, and over each adaptive one.
    named = [i == 0 or heads != lines[i - 1][1] for i, (_, heads, _) in enumerate(lines)]
    size = (LABEL + step[1] * max(len(heads) for _, heads, _ in lines), HEAD * sum(named) + step[0] * len(lines))
    sheet = Image.new("RGB", size, "white")
    pen, letters, top = ImageDraw.Draw(sheet), font(FONT_SIZE), 0
    for (method, heads, shown), is_named in zip(lines, named, strict=True):
        if is_named:
            pen.text((6, top + 4), "network evaluations", "black", letters)
            for column, head in enumerate(heads):
                pen.text((LABEL + column * step[1], top + 4), head, "black", letters)
            top += HEAD
        pen.text((6, top + height // 2 - FONT_SIZE), method.replace(" ", "\n", 1), "black", letters)
        for column, result in enumerate(shown):
            if result is None:
                pen.text((LABEL + column * step[1], top + height // 2 - FONT_SIZE), "–", "grey", letters)
            else:
                (picture,) = to_pil(cells[result.rows[0].id][None])
                sheet.paste(picture.convert("RGB"), (LABEL + column * step[1], top))
        top += step[0]
    save_png(as_tensor(sheet), path)
