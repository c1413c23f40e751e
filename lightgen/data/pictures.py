"""One split of a collection as a data set of uint8 tensors."""

from __future__ import annotations

import struct
import warnings
import zipfile
import zlib
from typing import Literal, get_args

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from lightgen.data.collection import Collection, take
from lightgen.functional.splits import window
from lightgen.types import Batch

Filter = Literal["lanczos", "bicubic", "bilinear", "box"]
Key = tuple[int, bool]
"""A picture's number in its split, and whether to mirror it."""
Window = tuple[float, float, float]
"""See `window`."""

CORRUPT_LIMIT = 0.01
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, zipfile.BadZipFile, RuntimeError,
              Image.DecompressionBombError)  # fmt: skip
"""What is raised for files that are damaged, or far too large. RuntimeError is Pillow's for AVIF."""
CROP_SIDES = (0.8, 1.0)
"""Sides of random windows, as shares of the largest that fits (Dhariwal and Nichol, 2021, arXiv 2105.05233)."""


class Pictures(Dataset[Batch]):
    """Pictures by number, resized and cropped; a batch is fetched in one call.

    Args:
        collection: where the pictures are.
        rows: which of them belong to this split.
        size: (H, W).
        channels: 1 or 3.
        resize: Pillow's filter, which is antialiased.
        keep: keep decoded pictures in memory.
    """

    def __init__(
        self, collection: Collection, rows: list[int], size: tuple[int, int], channels: int, resize: Filter, keep: bool
    ) -> None:
        self.collection, self.rows, self.size, self.channels, self.resize = collection, rows, size, channels, resize
        self.kept: dict[int, Tensor] | None = {} if keep else None
        self.corrupt: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: int | Key) -> Batch:
        batch = self.__getitems__([key])
        condition = {name: tensor[0] for name, tensor in batch["condition"].items()}
        return Batch(image=batch["image"][0], index=batch["index"][0], condition=condition)

    def __getitems__(self, keys: list[int] | list[Key] | list[int | Key]) -> Batch:
        pairs = [key if isinstance(key, tuple) else (key, False) for key in keys]
        numbers = torch.tensor([number for number, _ in pairs])
        images = torch.stack(
            [self._picture(number).flip(-1) if flip else self._picture(number) for number, flip in pairs]
        )
        return Batch(image=images, index=numbers, condition=self.condition([number for number, _ in pairs]))

    @property
    def names(self) -> list[str]:
        """What each picture is called: its identity."""
        return [self.collection.identities[row] for row in self.rows]

    def windows(self, numbers: list[int], num_crops: int, seed: int) -> Tensor:
        """(B, num_crops, C, H, W) uint8: random windows of each picture; for 0 its centre, (B, 1, C, H, W).

        Which windows depends on nothing but a picture's identity, the window's number and the seed.
        """
        if num_crops == 0:
            return torch.stack([self._picture(number) for number in numbers]).unsqueeze(1)
        return torch.stack([self._windows(number, num_crops, seed) for number in numbers])

    def images(self, limit: int | None = None) -> Tensor:
        """(n, C, H, W) uint8: the first pictures, or all."""
        return torch.stack([self._picture(number) for number in range(min(limit or len(self), len(self)))])

    def condition(self, numbers: list[int] | None = None) -> dict[str, Tensor]:
        """The conditions of pictures, a row for each number, or for each picture of the split."""
        rows = self.rows if numbers is None else [self.rows[number] for number in numbers]
        return take(self.collection.conditions, rows)

    def _picture(self, number: int) -> Tensor:
        if self.kept is None:
            return self._read(number)
        if number not in self.kept:
            self.kept[number] = self._read(number)
        return self.kept[number]

    def _windows(self, number: int, num_crops: int, seed: int) -> Tensor:
        name = self.collection.identities[self.rows[number]]
        return torch.stack([self._read(number, window(name, k, seed)) for k in range(num_crops)])

    def _read(self, number: int, crop: Window | None = None) -> Tensor:
        for step in range(len(self)):
            # A picture that cannot be read is replaced by the next one of its class that can.
            candidate = (number + step) % len(self)
            if candidate in self.corrupt or not self._same_class(candidate, number):
                continue
            try:
                image = self.collection.open(self.rows[candidate])
                return to_tensor(image, self.size, self.channels, self.resize, crop)
            except UNREADABLE as error:
                self._report(candidate, error)
        raise ValueError("no picture of this split, or of a class in it, can be read")

    def _same_class(self, a: int, b: int) -> bool:
        label = self.collection.conditions.get("label")
        return label is None or bool(label[self.rows[a]] == label[self.rows[b]])

    def _report(self, number: int, error: Exception) -> None:
        self.corrupt[number] = f"{self.collection.name(self.rows[number])} ({' '.join(str(error).split())})"
        found = list(self.corrupt.values())
        refuse_corrupt(found, len(self.collection.identities))
        # How many there will be shows only by and by: the first is said, the tenth, the hundredth.
        if str(len(found)).strip("0") == "1":
            warn_of_corrupt(found, len(self.collection.identities))


def refuse_corrupt(names: list[str], total: int) -> None:
    """Give up when too much of a data set is damaged.

    Raises:
        ValueError: if more than 1 % of the pictures are corrupt.
    """
    if len(names) > CORRUPT_LIMIT * total:
        raise ValueError(f"{len(names)} of {total} pictures are corrupt, more than 1 %: {_first(names)}")


def warn_of_corrupt(names: list[str], total: int) -> None:
    """Say in one line which pictures are left out."""
    warnings.warn(f"{len(names)} of {total} pictures are corrupt and left out: {_first(names)}", stacklevel=3)


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + " ..." * (len(names) > 3)


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
