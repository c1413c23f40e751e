"""One split of a collection as a data set of uint8 tensors."""

from __future__ import annotations

import warnings
from typing import cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightgen.data.collection import Collection, described
from lightgen.functional.picture_files import UNREADABLE
from lightgen.functional.pictures import Filter, Window, to_tensor
from lightgen.functional.splits import window
from lightgen.labels import LABEL
from lightgen.types import Batch

Key = tuple[int, bool]
"""A picture's number in its split, and whether to mirror it."""

CORRUPT_LIMIT = 0.01


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
        parts = {n: {m: t[0] for m, t in p.items()} if isinstance(p, dict) else p[0] for n, p in batch.items()}  # type: ignore[index]
        return cast(Batch, parts)

    def __getitems__(self, keys: list[int] | list[Key] | list[int | Key]) -> Batch:
        pairs = [key if isinstance(key, tuple) else (key, False) for key in keys]
        numbers = torch.tensor([number for number, _ in pairs])
        images = torch.stack(
            [self._picture(number).flip(-1) if flip else self._picture(number) for number, flip in pairs]
        )
        batch = self.described([number for number, _ in pairs])
        others = torch.tensor([number in self.corrupt for number, _ in pairs])
        if bool(others.any()):
            # What stands in place of a corrupt picture is another's, of the same class.
            hidden = batch.setdefault("hidden", {})
            hidden |= {name: hidden.get(name, False) | others for name in batch["condition"] if name != LABEL}
        return Batch(image=images, index=numbers, **batch)

    @property
    def names(self) -> list[str]:
        """What each picture is called: its identity."""
        return [self.collection.identities[row] for row in self.rows]

    def windows(self, numbers: list[int], num_crops: int, seed: int) -> Tensor:
        """(B, num_crops, C, H, W) uint8: random windows of each picture; for 0 its centre, (B, 1, C, H, W).

        Which windows depends on nothing but a picture's identity, the window's number and the seed.
        """
        if num_crops == 0:
            # Read once and not kept: small tensors between the large ones of a network would keep memory in pieces.
            return torch.stack([self._read(number) for number in numbers]).unsqueeze(1)
        return torch.stack([self._windows(number, num_crops, seed) for number in numbers])

    def images(self, limit: int | None = None) -> Tensor:
        """(n, C, H, W) uint8: the first pictures, or all."""
        return torch.stack([self._picture(number) for number in range(min(limit or len(self), len(self)))])

    def described(self, numbers: list[int]) -> Batch:
        """What is said of pictures, without them."""
        return described(self.collection.conditions, [self.rows[number] for number in numbers], self.collection.words)

    def condition(self, numbers: list[int] | None = None) -> dict[str, Tensor]:
        """The conditions of pictures, a row for each number, or for each picture of the split."""
        return self.described(list(range(len(self))) if numbers is None else numbers)["condition"]

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
