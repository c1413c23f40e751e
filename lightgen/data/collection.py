"""A set of pictures before they are split, resized and batched."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lightgen.functional.boxes import BOX_TEXTS, BOXES
from lightgen.functional.random import Noise, Stream
from lightgen.functional.text import CAPTION, to_texts
from lightgen.types import Batch

Array = np.ndarray[Any, Any]


class Collection(ABC):
    """Pictures that can be opened by number.

    `identities[i]` names what picture i shows: pictures of one identity never fall on two sides of a split.
    `conditions` are named columns of numbers with a row for each picture, such as "label" (n,) int64 or features
    (n, L, C). Only the rows of a batch are read, so columns may be memory-mapped.
    `class_names` are those of the classes in the column "label", `words` those of other columns of class ids, in which
    -1 stands where the value of a picture is not known.
    The column "captions", (n, K, L) uint8, has up to K texts of each picture, those that there are first (see
    `lightgen.functional.text`).
    `fixed[i]`, where there is one, is a split that the data set's makers chose.
    """

    identities: Sequence[str]
    conditions: Mapping[str, Array] = MappingProxyType({})
    class_names: Sequence[str] = ()
    words: Mapping[str, Sequence[str]] = MappingProxyType({})
    fixed: Sequence[str] | None = None

    def contents(self) -> str:
        """What names all pictures and conditions, without decoding them; empty if the identities decide them."""
        return ""

    def described(self) -> dict[str, list[str]]:
        """See `ImageData.conditions`."""
        names = {"label": self.class_names, **self.words}
        return {CAPTION if n == "captions" else n: list(names.get(n, ())) for n in self.conditions}

    def name(self, i: int) -> str:
        """What to call picture i where somebody shall look for it."""
        return self.identities[i]

    @abstractmethod
    def open(self, i: int) -> Image.Image:
        """Picture i, in any mode and size.

        Raises:
            OSError: if it cannot be read.
        """


def said(collection: Collection) -> bytes:
    """All that is told of the pictures, in order."""
    words = [list(collection.identities), list(collection.class_names), sorted(collection.words.items())]
    parts = [json.dumps(words).encode()]
    for name, column in sorted(collection.conditions.items()):
        parts.append(f"{name} {column.dtype} {column.shape}".encode() + column.tobytes())
    return b"".join(parts)


def take(columns: Mapping[str, Array], rows: list[int] | Array) -> dict[str, Tensor]:
    """The given rows of every column."""
    return {name: torch.from_numpy(column[rows]) for name, column in columns.items()}


def described(columns: Mapping[str, Array], rows: list[int] | Array, categories: Iterable[str] = ()) -> Batch:
    """What a batch says of its pictures. Of several captions it takes the first; in training another may be drawn.

    Args:
        columns: see `Collection`.
        rows: of the pictures.
        categories: those that may not be known of a picture.
    """
    condition = take(columns, rows)
    hidden = {name: condition[name] < 0 for name in categories if name != BOXES and bool((condition[name] < 0).any())}
    condition |= {name: condition[name].clamp_min(0) for name in hidden}
    captions = condition.pop("captions", None)
    if captions is None:
        return Batch(condition=condition, **({"hidden": hidden} if hidden else {}))
    first = captions[:, 0]
    hidden[CAPTION] = first[:, 0] == 0
    return Batch(condition={**condition, CAPTION: first}, captions=captions, hidden=hidden)


def all_captions(captions: Array) -> list[str]:
    """The texts in rows (n, K, L) uint8."""
    texts = to_texts(captions.reshape(-1, captions.shape[-1]))
    return [text for text in texts if text]


def texts_of(columns: Mapping[str, Array], rows: slice | list[int] = slice(None)) -> list[str]:
    """All that is said of some pictures, and of what is in their boxes."""
    found = [columns[name][rows] for name in ("captions", BOX_TEXTS) if name in columns]
    return [text for column in found for text in all_captions(column)]


def draw_caption(batch: Batch, seed: int, epoch: int) -> None:
    """Take one of the captions of each picture, another in each epoch."""
    if "captions" in batch:
        several = batch["captions"]
        counts = (several[:, :, 0] != 0).sum(1)
        chance = Noise(seed, batch["index"]).uniform(epoch, Stream.CAPTION, 1).squeeze(1)
        drawn = (chance * counts).long()
        batch["condition"][CAPTION] = several[torch.arange(len(several)), drawn]


def check_conditions(collection: Collection) -> None:
    """Refuse columns that batches and token caches cannot hold.

    Raises:
        ValueError: names the column.
    """
    count = len(collection.identities)
    for name, column in collection.conditions.items():
        if not name.isidentifier():
            raise ValueError(f"the name of a condition must be an identifier, not {name!r}")
        if column.shape[:1] != (count,):
            raise ValueError(f"condition {name} must have a row for each of {count} pictures, not shape {column.shape}")
        if column.dtype.kind not in "biuf" or not column.dtype.isnative:
            raise ValueError(f"condition {name} must be of native numbers, not {column.dtype}")
        if name == "label" and (column.ndim != 1 or column.dtype != np.int64):
            raise ValueError(f"condition label must be ({count},) int64, not {column.shape} {column.dtype}")
        if name == "captions" and (column.ndim != 3 or 0 in column.shape[1:] or column.dtype != np.uint8):
            raise ValueError(f"condition captions must be ({count}, K, L) uint8, not {column.shape} {column.dtype}")
