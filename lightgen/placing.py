"""What is asked for where: boxes with what is in them, as a condition.

A prior with the conditioner `Boxes` is told them. Where there is none, but `Text`, they paint with its words: their
cells attend more to the words that each box has of the text (Balaji et al., 2022, arXiv 2211.01324).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightgen.conditioners.base import Conditioner
from lightgen.conditioners.text import PAINTED, Text
from lightgen.for_each import each, listed
from lightgen.functional.boxes import BOX_TEXTS, BOXES, Box, coverage, in_short, read_boxes, to_boxes, to_rows
from lightgen.functional.text import to_texts
from lightgen.labels import class_name, class_number
from lightgen.types import Grid

Layouts = str | Path | Sequence[Any] | None
"""Boxes as `to_boxes` has them, or a file of them; or a list with one such for each picture."""


def placed(
    given: Layouts,
    num_images: int,
    conditioner: Conditioner,
    names: Sequence[str] | None,
    grid: Grid | None,
    texts: Sequence[str] | None,
) -> dict[str, Tensor]:
    """Tensors of a condition.

    Args:
        given: for all pictures, or for each.
        num_images: B.
        conditioner: of the network, which has `Boxes` or `Text`.
        names: of the classes of boxes by number; None where nobody knows them.
        grid: of the cells that can be painted; None where there are none.
        texts: what pictures are asked for; None where they are not.

    Raises:
        ValueError: in one line, if a box is no box, or is of what the prior does not know.
    """
    rows = [to_boxes(one) for one in contents(given, num_images)]
    if BOXES in conditioner.names:
        return _told(rows, BOX_TEXTS in conditioner.names, names)
    if grid is None:
        raise ValueError("a layout paints with the words of a text, which needs tokens on a grid and a network that "
                         "sees all of them")  # fmt: skip
    if texts is None:
        raise ValueError("a layout paints with the words of a text, and there is none; --text says what is to be seen")
    encoder = next(part for part in conditioner.modules() if isinstance(part, Text)).encoder
    painted = torch.zeros(num_images, grid[0] * grid[1], encoder.max_length)
    for row, boxes, text in zip(painted, rows, texts, strict=True):
        for box in boxes:
            places = encoder.places(text, str(box.what))
            if not places:
                raise ValueError(f"layout paints with {str(box.what)!r}, which the text does not say: {text!r:.100}")
            row[:, places] = torch.maximum(row[:, places], coverage(box.corners, grid)[:, None])
    return {PAINTED: painted}


def contents(given: Layouts, num_images: int) -> list[Any]:
    """The boxes of each picture as plain data, read where a file has them.

    Raises:
        ValueError: if there are not as many layouts as pictures, no such file, or no boxes in it.
    """
    layouts = each(listed(given) or [given] * num_images, num_images, "layout", "layout")
    return [read_boxes(one) if isinstance(one, (str, Path)) else one for one in layouts]


def in_few_words(layout: Any) -> str:
    """The boxes of a picture for people: see `in_short`."""
    return in_short(to_boxes(*contents([layout], 1)))


def said(boxes_BL5: Tensor, texts: Tensor | None, names: Sequence[str] | None) -> list[str]:
    """What each picture is told of its boxes, in a few words."""
    rows = []
    for number, row in enumerate(boxes_BL5.tolist()):
        words = [] if texts is None else to_texts(texts[number].cpu().numpy())
        boxes = [
            Box("text", words[i] if words else class_name(int(kind), names), (x0, y0, x1, y1))
            for i, (kind, x0, y0, x1, y1) in enumerate(row)
            if x1 > x0 and y1 > y0
        ]
        rows.append(in_short(boxes))
    return rows


def _told(rows: Sequence[Sequence[Box]], by_text: bool, names: Sequence[str] | None) -> dict[str, Tensor]:
    kind = "text" if by_text else "label"
    for box in (box for boxes in rows for box in boxes):
        if box.kind != kind:
            raise ValueError(f'this prior knows boxes by a "{kind}", not by a "{box.kind}" such as {box.what!r}')
    numbers = [[0 if by_text else class_number(box.what, names) for box in boxes] for boxes in rows]
    return {name: torch.from_numpy(part) for name, part in to_rows(rows, numbers, by_text).items()}
