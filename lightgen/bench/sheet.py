"""The same pictures of the same seed under every method and budget, on one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lightgen.bench.measure import SHOWN
from lightgen.bench.results import Result, sides
from lightgen.figures import GAP, grid, read_png, save_png

HEAD, LABEL = 26, 190
FONT_SIZE = 15


def save_cell(images: Tensor, path: Path) -> None:
    """Keep the first pictures (n, C, H, W) of a measurement, as they will be on the sheet."""
    save_png(grid(images, SHOWN // 2), path)


def save_sheet(found: Sequence[Result], pictures: Path, path: Path) -> None:
    """Write `sheet.png`: a row a method, a column a budget, in each cell the first pictures of the first seed.

    Args:
        found: what was reported.
        pictures: the folder with the first pictures of each measurement.
        path: of the sheet.
    """
    cells = {(r.method, r.budget): read_png(pictures / f"{r.rows[0]['id']}.png") for r in found}
    methods, budgets = sides(found)
    height, width = next(iter(cells.values())).shape[1:]
    step = (height + 4 * GAP, width + 4 * GAP)
    sheet = Image.new("RGB", (LABEL + step[1] * len(budgets), HEAD + step[0] * len(methods)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    pen.text((6, 4), "network evaluations", "black", font)
    for column, budget in enumerate(budgets):
        pen.text((LABEL + column * step[1], 4), str(budget), "black", font)
    for row, method in enumerate(methods):
        top = HEAD + row * step[0]
        pen.text((6, top + height // 2 - FONT_SIZE), method.replace(" ", "\n", 1), "black", font)
        for column, budget in enumerate(budgets):
            if (method, budget) in cells:
                array = cells[method, budget].expand(3, -1, -1).permute(1, 2, 0).numpy()
                sheet.paste(Image.fromarray(np.ascontiguousarray(array)), (LABEL + column * step[1], top))
    save_png(torch.from_numpy(np.array(sheet).transpose(2, 0, 1).copy()), path)
