"""The pictures that a checkpoint was trained on, and what its run held out: which they are, and some of them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lightgen.data.base import ImageData
from lightgen.data.own import own_pictures
from lightgen.data.pictures import Pictures
from lightgen.registry import build

MOST = 192


def pictures_of(checkpoint: str, root: str | None = None) -> ImageData:
    """The pictures that a checkpoint was trained on, split as then.

    Raises:
        ValueError: if it does not say, or they are not there.
    """
    found: Any = own_pictures(checkpoint)
    if found is None:
        raise ValueError(f"{checkpoint} does not say which pictures it was trained on")
    if root is not None:
        found["arguments"]["root"] = root
    data: ImageData = build(found, "data")
    return data


def pictures_at(pictures: Pictures, rows: list[int]) -> Tensor:
    """(n, C, H, W) uint8: some of them."""
    return torch.cat([pictures.__getitems__([row])["image"] for row in rows])


def captioned(pictures: Pictures) -> list[int]:
    """Those that have a caption."""
    return pictures.condition()["caption"][:, 0].nonzero().flatten().tolist()


def held_out(data: ImageData) -> Tensor:
    """(n, C, H, W) uint8, not too many, from all over what was held out."""
    there = data.dataset("val")
    return pictures_at(there, [*range(0, len(there), max(1, len(there) // MOST))][:MOST])
