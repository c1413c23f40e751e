"""A picture and the mask that says what of it is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from lightgen.data.pictures import UNREADABLE, Filter, to_tensor
from lightgen.functional.masks import erode

SUPPORT: dict[Filter, float] = {"lanczos": 3.0, "bicubic": 2.0, "bilinear": 1.0, "box": 0.5}
"""How far Pillow's filters reach, in pixels of the smaller of the two sizes."""
WHITE = 128
"""Pixels of a mask from this grey upwards are to be painted."""


def read_masked(
    image: Path, mask: Path | None, size: tuple[int, int], channels: int, resize: Filter
) -> tuple[Tensor, Tensor]:
    """A picture, uint8 (C, H, W), as in training, and its known pixels, (H, W) True where the mask is black.

    Where the picture is resized, a pixel is known only if no pixel that it is made of is to be painted.

    Args:
        image: any file that Pillow reads.
        mask: another, as large as the picture; white or transparent where the picture is to be painted. None knows all.
        size: (H, W) to resize to and crop at the centre.
        channels: 1 or 3.
        resize: Pillow's filter.

    Raises:
        ValueError: if a file cannot be read, the sizes differ, or there is no such number of channels in files.
    """
    if channels not in (1, 3):
        raise ValueError(f"a picture file gives 1 or 3 channels, but this prior makes {channels}")
    picture = _open(image)
    shown = _tensor(image, picture, size, channels, resize)
    if mask is None:
        return shown, torch.ones(size, dtype=torch.bool)
    drawn = _open(mask)
    if drawn.size != picture.size:
        given, needed = ("x".join(map(str, one.size)) for one in (drawn, picture))
        raise ValueError(f"the mask must be as large as the picture, {needed}, not {given}")
    black = _tensor(mask, drawn, drawn.size[::-1], 1, resize)[0] < WHITE
    return shown, _resized(black, size, resize)


def _open(path: Path) -> Image.Image:
    """The upright picture in a file."""
    if not path.is_file():
        raise ValueError(f"no picture at {path}")
    try:
        return ImageOps.exif_transpose(Image.open(path))
    except UNREADABLE as error:
        raise _unreadable(path) from error


def _tensor(path: Path, image: Image.Image, size: tuple[int, int], channels: int, resize: Filter) -> Tensor:
    try:
        return to_tensor(image, size, channels, resize)
    except UNREADABLE as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> ValueError:
    return ValueError(f"{path} cannot be read as a picture")


def _resized(known: Tensor, size: tuple[int, int], resize: Filter) -> Tensor:
    """Known pixels (H, W) of the picture that `to_tensor` makes of one whose known pixels these are."""
    if tuple(known.shape) == size:
        return known
    scale = min(known.shape[0] / size[0], known.shape[1] / size[1])
    reach = math.ceil(SUPPORT[resize] * max(scale, 1)) + 1
    # The pixel in the middle, of a mask shrunk by the filter's reach, stands for all that the filter sees.
    shrunk = Image.fromarray(erode(known, reach).numpy().astype(np.uint8))
    return torch.from_numpy(np.array(ImageOps.fit(shrunk, size[::-1], Image.Resampling.NEAREST))).bool()
