"""Pictures for people: grids, pairs and animations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightgen.functional.files import atomic

GAP = 2
"""White pixels between the pictures of a grid."""


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


def _pil(image: Tensor) -> Image.Image:
    array = image.cpu().numpy()
    return Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0))
