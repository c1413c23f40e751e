"""One split of a token cache: ids and conditions by the numbers of pictures."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from lightgen.conditioners.low_resolution import COARSE
from lightgen.data.base import Split
from lightgen.data.collection import Array, described
from lightgen.labels import LABEL
from lightgen.types import Batch

if TYPE_CHECKING:
    from lightgen.data.token_cache import Header

Views = tuple[Tensor, Tensor, Tensor]
"""(B,) int64 each: numbers of pictures in their split, which crop of each, and 1 for its mirror image."""


class TokenDataset(Dataset[Batch]):
    """Ids by `Views` and conditions, memory-mapped; a batch is gathered file by file, without work per picture.

    `others` are conditions that are looked up by the numbers of pictures, (B,), such as the ids of other pictures.
    """

    coarse: TokenDataset | None = None
    """The coarser ids of the same views of the same pictures, which are a condition of these, where there are some."""

    def __init__(self, header: Header, split: Split, shards: list[Array], conditions: dict[str, Array]) -> None:
        self.count, self.rows, self.shape = header.counts[split], header.rows, header.shape
        self.shards, self.conditions, self.layout = shards, conditions, header.layout
        self.words = [name for name in header.categories if name != LABEL]
        self.others: dict[str, Callable[[Tensor], Tensor]] = {}

    def __len__(self) -> int:
        return self.count

    def described(self, numbers: list[int] | Array) -> Batch:
        """What is said of pictures, without their ids."""
        return described(self.conditions, numbers, self.words)

    def __getitems__(self, views: Views) -> Batch:
        batch = Batch(ids=self.ids(views), index=views[0], **self.described(views[0].numpy()))
        batch["condition"] |= {name: look_up(views[0]) for name, look_up in self.others.items()}
        if self.coarse is not None:
            batch["condition"][COARSE] = self.coarse.layout.flatten(self.coarse.ids(views))
        return batch

    def ids(self, views: Views) -> Tensor:
        """(B, *shape) int64."""
        order = views[0].argsort()
        numbers, crops, flips = (part[order].numpy() for part in views)
        shards, rows = np.divmod(numbers, self.rows)
        ids = np.empty((len(numbers), *self.shape), np.int64)
        starts = np.flatnonzero(np.diff(shards, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(numbers)]):
            here = slice(start, stop)
            ids[here] = self.shards[shards[start]][rows[here], crops[here], flips[here]]
        return torch.from_numpy(ids)[order.argsort()]


def plain(numbers: Tensor) -> Views:
    """Pictures as they are: the first crop, not mirrored."""
    return numbers, torch.zeros_like(numbers), torch.zeros_like(numbers)
