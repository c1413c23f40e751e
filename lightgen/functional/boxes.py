"""Boxes on a picture, each with what is to be in it: from people's words and files to numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightgen.functional.text import to_bytes
from lightgen.types import Grid

Array = NDArray[Any]

BOXES, BOX_TEXTS = "boxes", "box_texts"
"""What the boxes of a picture and the texts in them are called among its conditions."""


class Box(NamedTuple):
    """A part of a picture, and what is in it."""

    kind: Literal["label", "text"]
    what: int | str
    corners: tuple[float, float, float, float]
    """Left, top, right and bottom as shares of the picture, from its top left."""


def to_boxes(given: Any) -> list[Box]:
    """Boxes of one picture: `[{"label": "cat", "box": [0, 0, 0.5, 1]}, ...]`, or `text` in place of `label`.

    >>> to_boxes([{"text": "a red heart", "box": [0, 0.5, 0.5, 1]}])[0].corners
    (0.0, 0.5, 0.5, 1.0)

    Raises:
        ValueError: if it is anything else, or a box is empty or not within the picture.
    """
    if not isinstance(given, (list, tuple)):
        raise ValueError(f'boxes must be a list like [{{"label": "cat", "box": [0, 0, 0.5, 1]}}], not {given!r:.80}')
    return [_to_box(one, number) for number, one in enumerate(given)]


def _to_box(one: Any, number: int) -> Box:
    if not isinstance(one, dict) or one.keys() not in ({"label", "box"}, {"text", "box"}):
        raise ValueError(f'box {number} must have a "box" and either a "label" or a "text", not {one!r:.80}')
    kind: Literal["label", "text"] = "label" if "label" in one else "text"
    what, corners = one[kind], one["box"]
    if isinstance(what, bool) or not isinstance(what, str if kind == "text" else (int, str)) or what == "":
        raise ValueError(f"box {number} must have a {'text' if kind == 'text' else 'class'}, not {what!r:.80}")
    numbers = isinstance(corners, (list, tuple)) and len(corners) == 4
    if not numbers or any(isinstance(c, bool) or not isinstance(c, (int, float)) for c in corners):
        raise ValueError(f"box {number} must be four numbers, left, top, right and bottom, not {corners!r:.80}")
    x0, y0, x1, y1 = corners
    if not (0 <= x0 <= 1 and 0 <= y0 <= 1 and 0 <= x1 <= 1 and 0 <= y1 <= 1):
        raise ValueError(f"box {number} lies outside the picture, whose sides go from 0 to 1: {corners}")
    if x1 <= x0 or y1 <= y0:
        raise ValueError(
            f"box {number} is empty: right must be more than left, and bottom more than top, not {corners}"
        )
    return Box(kind, what, (float(x0), float(y0), float(x1), float(y1)))


def read_boxes(given: str | Path) -> list[Any]:
    """What a file says, or the JSON that a picture remembers of it, for `to_boxes`.

    Raises:
        ValueError: if there is no such file, or no such boxes in it.
    """
    written = isinstance(given, str) and given.startswith("[")
    if not written and not Path(given).is_file():
        raise ValueError(f"there is no file of boxes at {given}")
    name = "the layout" if written else given
    try:
        found = json.loads(str(given) if written else Path(given).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON: {str(error).splitlines()[0]}") from None
    try:
        to_boxes(found)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return list(found)


def in_short(boxes: Sequence[Box]) -> str:
    """Boxes in a few words.

    >>> in_short(to_boxes([{"label": "cat", "box": [0, 0, 0.5, 1]}]))
    'cat at 0 0 0.5 1'
    """
    return "; ".join(f"{box.what} at {' '.join(f'{c:g}' for c in box.corners)}" for box in boxes) or "no boxes"


def coverage(corners: Sequence[float], grid: Grid) -> Tensor:
    """(h w,) the share of each cell, in raster order, that a box covers.

    >>> coverage((0, 0, 0.75, 0.5), (2, 2)).tolist()
    [1.0, 0.5, 0.0, 0.0]
    """
    x0, y0, x1, y1 = corners
    h, w = grid
    return (_along(y0, y1, h)[:, None] * _along(x0, x1, w)).flatten()


def _along(start: float, stop: float, num: int) -> Tensor:
    edges = torch.arange(num)
    return ((edges + 1).clamp(max=stop * num) - edges.clamp(min=start * num)).clamp(min=0)


def to_rows(boxes: Sequence[Sequence[Box]], numbers: Sequence[Sequence[int]], by_text: bool) -> dict[str, Array]:
    """`boxes` (n, L, 5) float32, of zeros behind those of each picture, and `box_texts` (n, L, bytes) uint8.

    Args:
        boxes: of n pictures.
        numbers: what is in each by class; 0 where it is a text.
        by_text: whether it is.
    """
    longest = max(1, *map(len, boxes)) if boxes else 1
    rows = np.zeros((len(boxes), longest, 5), np.float32)
    for row, some, classes in zip(rows, boxes, numbers, strict=True):
        for place, (box, number) in enumerate(zip(some, classes, strict=True)):
            row[place] = (number, *box.corners)
    if not by_text:
        return {BOXES: rows}
    texts = to_bytes([str(some[i].what) if i < len(some) else "" for some in boxes for i in range(longest)])
    return {BOXES: rows, BOX_TEXTS: texts.reshape(len(boxes), longest, -1)}
