"""Pictures of Pillow to tensors and back."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

Filter = Literal["lanczos", "bicubic", "bilinear", "box"]
Window = tuple[float, float, float]
"""See `lightgen.functional.splits.window`."""

CROP_SIDES = (0.8, 1.0)
"""Sides of random windows, as shares of the largest that fits (Dhariwal and Nichol, 2021, arXiv 2105.05233)."""


def to_tensor(
    image: Image.Image, size: tuple[int, int], channels: int, resize: Filter, crop: Window | None = None
) -> Tensor:
    """uint8 (C, H, W): upright, on white where transparent, resized to cover the size, cropped at the centre.

    Args:
        image: of any mode and size.
        size: (H, W).
        channels: 1 or 3.
        resize: the filter.
        crop: a window in place of the centre: its size within `CROP_SIDES`, and where it is, each in [0, 1).
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        # Pillow would cut 16 bits off at 255.
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    image = image.convert("L" if channels == 1 else "RGB")
    if crop is not None:
        image = image.resize(size[::-1], getattr(Image.Resampling, resize.upper()), _box(image.size, size, crop))
    elif image.size != size[::-1]:
        image = ImageOps.fit(image, size[::-1], getattr(Image.Resampling, resize.upper()))
    array = np.asarray(image)
    return torch.from_numpy(array[None].copy() if channels == 1 else array.transpose(2, 0, 1).copy())


def _box(whole: tuple[int, int], size: tuple[int, int], crop: Window) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a window in a picture (width, height), in the proportions of (H, W)."""
    low, high = CROP_SIDES
    scale = min(whole[0] / size[1], whole[1] / size[0]) * (low + (high - low) * crop[0])
    width, height = scale * size[1], scale * size[0]
    left, top = crop[1] * (whole[0] - width), crop[2] * (whole[1] - height)
    return left, top, left + width, top + height


def check_filter(resize: str) -> None:
    """Raises ValueError for a filter that there is not."""
    if resize not in get_args(Filter):
        raise ValueError(f"resize must be one of {', '.join(get_args(Filter))}, not {resize}")


def to_pil(images: Tensor) -> list[Image.Image]:
    """Pillow's pictures of uint8 images (B, C, H, W), with 1, 3 or 4 channels.

    >>> pictures = to_pil(torch.zeros(2, 3, 16, 24, dtype=torch.uint8))
    >>> len(pictures), pictures[0].size, pictures[0].mode
    (2, (24, 16), 'RGB')

    Raises:
        ValueError: if they are anything else.
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4:
        raise ValueError("pictures must be a uint8 tensor (B, C, H, W), as `Prior.sample` gives it")
    arrays = images.cpu().numpy()
    return [Image.fromarray(array[0] if len(array) == 1 else array.transpose(1, 2, 0)) for array in arrays]
