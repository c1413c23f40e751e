"""Pictures for people: grids, pairs and animations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lightgen.functional.embedded import chunk
from lightgen.functional.files import atomic
from lightgen.functional.pictures import to_pil

GAP = 2
"""White pixels between the pictures of a grid."""
SIDE = 128
"""Pictures smaller than this are shown enlarged, as far as they stay within it."""
FONT_SIZE, LINE = 13, 18
MIN_WIDTH = 260
"""Of a sheet, so that a title has room."""


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


def enlarged(images: Tensor) -> Tensor:
    """Small uint8 pictures (..., H, W), each pixel as a square of pixels, as many as bring them up to `SIDE`."""
    factor = max(1, SIDE // max(images.shape[-2:]))
    return images.repeat_interleave(factor, -2).repeat_interleave(factor, -1)


def sheet(
    images: Tensor | Sequence[Tensor],
    title: str,
    captions: Sequence[str] | None = None,
    columns: int | None = None,
    headings: Sequence[str] | None = None,
) -> Tensor:
    """One uint8 picture (C, H, W) of many for people: enlarged where they are small, and labelled.

    Args:
        images: (n, C, H, W), of 1, 3 or 4 channels.
        title: a line above all; it is broken where it is too long.
        captions: a few words above each picture; None for none.
        columns: pictures in a row; nearly square by default.
        headings: a line above each row; None for none.
    """
    shown = enlarged(torch.stack(list(images)).cpu())
    above = LINE if headings else 0
    head = above + (LINE if captions else 0)
    cells = torch.nn.functional.pad(shown, (0, 0, head, 0), value=255)
    laid = grid(cells, columns)
    letters = font(FONT_SIZE)
    width = max(laid.shape[2], MIN_WIDTH)
    lines = _wrapped(title, letters, width)
    top = LINE * len(lines) + GAP
    (canvas,) = to_pil(torch.nn.functional.pad(laid, (0, width - laid.shape[2], top, 0), value=255)[None])
    pen = ImageDraw.Draw(canvas)
    for number, line in enumerate(lines):
        pen.text((GAP, LINE * number), line, "black", letters)
    num_columns = (laid.shape[2] + GAP) // (shown.shape[3] + GAP)
    for number, caption in enumerate(captions or ()):
        row, column = divmod(number, num_columns)
        place = column * (shown.shape[3] + GAP) + GAP, top + above + row * (cells.shape[2] + GAP)
        pen.text(place, _clipped(caption, letters, shown.shape[3]), "black", letters)
    for row, heading in enumerate(headings or ()):
        pen.text((GAP, top + row * (cells.shape[2] + GAP)), _clipped(heading, letters, width), "black", letters)
    return as_tensor(canvas)


def side_by_side(originals: Tensor, reconstructions: Tensor, columns: int = 8, when: str = "") -> Tensor:
    """One uint8 picture of pairs: a row of originals, under it the row of their reconstructions.

    Args:
        originals, reconstructions: (n, C, H, W).
        columns: pairs side by side.
        when: what the title begins with.
    """
    columns = min(columns, len(originals))
    rows: list[Tensor] = []
    for original, reconstruction in zip(originals.split(columns), reconstructions.split(columns), strict=True):
        blank = torch.full((columns - len(original), *original.shape[1:]), 255, dtype=torch.uint8)
        rows += [original.cpu(), blank, reconstruction.cpu(), blank]
    title = f"{when}originals, and under each row of them their reconstructions"
    return sheet(torch.cat(rows), title, columns=columns)


def save_png(image: Tensor, path: Path, settings: Mapping[str, Any] | None = None) -> None:
    """Write a uint8 picture (C, H, W), and inside the file what made it: see `lightgen.settings`."""
    with atomic(path) as temporary:
        to_pil(image[None])[0].save(temporary, pnginfo=None if settings is None else chunk(settings))


def read_png(path: Path) -> Tensor:
    """A uint8 picture (C, H, W) as `save_png` wrote it."""
    with Image.open(path) as image:
        return as_tensor(image)


def save_gif(frames: Sequence[Tensor], path: Path, milliseconds: int = 120, rest: int = 2000) -> None:
    """Write uint8 pictures (C, H, W) as an endless animation that rests on the last frame."""
    first, *others = to_pil(torch.stack(list(frames)))
    durations = [milliseconds] * len(others) + [rest]
    with atomic(path) as temporary:
        first.save(temporary, save_all=True, append_images=others, duration=durations, loop=0)


def font(size: int) -> ImageFont.FreeTypeFont:
    """That of matplotlib, which knows letters with accents, without waiting for matplotlib."""
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None
    return ImageFont.truetype(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf", size)


def as_tensor(image: Image.Image) -> Tensor:
    """uint8 (C, H, W)."""
    array = np.array(image)
    return torch.from_numpy(array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1)))


def _wrapped(text: str, letters: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """The words of a text, in lines that have room."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if letters.getlength(longer) <= width - 2 * GAP else [*lines, word]
    return lines


def _clipped(text: str, letters: ImageFont.FreeTypeFont, width: int) -> str:
    """As much of a text as has room."""
    while letters.getlength(text) > width - GAP:
        text = text[:-1]
    return text
