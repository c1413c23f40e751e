"""A picture and the mask that says what of it is known, from files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageOps
from torch import Tensor

from lightgen.data.pictures import UNREADABLE
from lightgen.functional.pictures import Filter
from lightgen.inpainting import masked


def read_masked(
    image: Path, mask: Path | None, size: tuple[int, int], channels: int, resize: Filter
) -> tuple[Tensor, Tensor]:
    """A picture, uint8 (C, H, W), as in training, and its known pixels (H, W): see `lightgen.inpainting.masked`.

    Args:
        image: any file that Pillow reads.
        mask: another, as large as the picture; None knows all.
        size: (H, W) to resize to and crop at the centre.
        channels: 1 or 3.
        resize: Pillow's filter.

    Raises:
        ValueError: if a file cannot be read, the sizes differ, or there is no such number of channels in files.
    """
    return masked(_read(image), None if mask is None else _read(mask), size, channels, resize)


def _read(path: Path) -> Image.Image:
    """The upright picture in a file."""
    if not path.is_file():
        raise ValueError(f"no picture at {path}")
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as a picture") from error
