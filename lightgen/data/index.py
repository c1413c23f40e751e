"""Which pictures of a token cache are near which: neighbours to train on, and a memory to ask in sampling.

index-train-00000.4be2f013.npy         (rows, d) float16, features of the first training pictures; then 00001, ...
index-train-neighbours.0d7a55c2.npy    (pictures, K) int32, of each its K nearest training pictures, by number

and the same for `val` and `test`, whose neighbours are training pictures too. A picture is never its own neighbour, nor
is one with the same ids or features, nor, unless variants are wanted, one of the same identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightgen.checkpoint import fingerprint
from lightgen.condition import Condition
from lightgen.data.base import ImageData, Split
from lightgen.data.collection import Array
from lightgen.data.pictures import Pictures
from lightgen.data.token_cache import TokenCache
from lightgen.data.token_dataset import TokenDataset, plain
from lightgen.functional.likeness import NEIGHBOURS, nearest
from lightgen.functional.random import Noise, Stream
from lightgen.metrics.features import FeatureNetwork
from lightgen.prior import Prior
from lightgen.registry import build, describe

NUM_NEIGHBOURS = 8


@dataclass(frozen=True)
class Indexing:
    """How the neighbours of pictures are found.

    Args:
        network: makes features, whose angle says how near pictures are.
        num: K, neighbours that are kept of each picture.
        variants: whether other pictures of the same identity may be among them.

    Raises:
        ValueError: if K is below 1.
    """

    network: FeatureNetwork
    num: int = NUM_NEIGHBOURS
    variants: bool = False

    def __post_init__(self) -> None:
        if self.num < 1:
            raise ValueError(f"neighbours must be at least 1, not {self.num}")

    def describe(self, data: ImageData) -> dict[str, Any]:
        """What a token cache says of its index.

        Raises:
            ValueError: if there is no picture to find.
        """
        if not len(data.dataset("train")):
            raise ValueError(f"{data.title} has no training pictures to index")
        return {
            "network": describe(self.network), "weights": fingerprint(self.network.network),
            "neighbours": self.num, "variants": self.variants,
        }  # fmt: skip

    @torch.no_grad()
    def features(self, pictures: Pictures, numbers: range, size: int, advance: Callable[[int], None]) -> Array:
        """(rows, d) float16 of some pictures, a batch of a size at a time; is told of those that are done."""
        self.network.network.eval()
        found = []
        for start in range(0, len(numbers), size):
            images = pictures.windows(list(numbers[start : start + size]), 0, 0)[:, 0]
            device = next((p.device for p in self.network.network.parameters()), torch.device("cpu"))
            found.append(self.network(images.to(device)).half().cpu().numpy())
            advance(len(images))
        return np.concatenate(found)

    def neighbours(self, split: Split, cache: TokenCache) -> Array:
        """(n, K) int32 of the pictures of a split; see `TokenCache.neighbours`."""
        queries, memory = (cache.features(one) for one in (split, "train"))
        if not len(queries):
            return np.zeros((0, self.num), np.int32)
        names = [(_ids(cache.dataset(split)), _ids(cache.dataset("train"))), (queries, memory)]
        if split == "train":
            names.append((np.arange(len(memory)), np.arange(len(memory))))
        if not self.variants:
            names.append((np.array(cache.names(split), dtype=str), np.array(cache.names("train"), dtype=str)))
        return _nearest(queries, memory, self.num, names).to(torch.int32).numpy()


def _ids(dataset: TokenDataset) -> Array:
    return ids_of(dataset, torch.arange(len(dataset))).numpy()


def _nearest(queries: Array, memory: Array, num: int, names: list[tuple[Array, Array]]) -> Tensor:
    """`nearest`, but for rows that are equal under a name; a name is a pair (Q, ...), (n, ...) of numbers or words."""
    numbers = [np.unique(np.concatenate([_flat(part) for part in pair]), return_inverse=True)[1] for pair in names]
    apart, others = torch.from_numpy(np.stack(numbers, 1)).split([len(queries), len(memory)])
    return nearest(torch.from_numpy(queries), torch.from_numpy(memory), num, apart, others)


def _flat(rows: Array) -> Array:
    """Rows of numbers as one value each."""
    if rows.ndim == 1:
        return rows
    return np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)


def ids_of(memory: TokenDataset, rows: Tensor) -> Tensor:
    """(..., N) int64 ids of pictures by their numbers (...); V at all cells where a number is -1."""
    flat = rows.flatten()
    ids = memory.layout.flatten(memory.ids(plain(flat.clamp_min(0))))
    return ids.masked_fill(flat[:, None] < 0, memory.layout.vocab_size).unflatten(0, rows.shape)


class Index:
    """The training pictures of a token cache with an index, as a memory of what pictures look like.

    `prior.sample(4, **index.like(prior, image.expand(4, -1, -1, -1), 2).tensors)` makes four pictures with the
    neighbours of one.

    Args:
        folder: of the cache.

    Raises:
        ValueError: if there is none, or it has no index.
    """

    def __init__(self, folder: Path) -> None:
        self.cache = TokenCache(folder)
        self.table = torch.from_numpy(self.cache.neighbours("train"))
        self.memory = self.cache.dataset("train")

    def require(self, prior: Prior) -> None:
        """Refuse a prior on ids of another tokenizer.

        Raises:
            ValueError: in one line.
        """
        layout, header = prior.layout(), self.cache.header
        shape = [*([layout.num_codes] if layout.num_codes > 1 else []), *layout.cells]
        wanted = {"tokenizer": fingerprint(prior.tokenizer), "vocab_size": layout.vocab_size, "shape": shape}
        header.require(self.cache.folder, **wanted)

    def like(self, prior: Prior, images: Tensor, num: int) -> Condition:
        """The ids (B, k, N) of the pictures that are nearest to others, but for copies of them.

        Args:
            prior: that shall be told them.
            images: uint8 (B, C, H, W) of its size.
            num: k, at least 1.

        Raises:
            ValueError: if the index was made by a network that is not installed here, or with other weights.
        """
        self.require(prior)
        header: dict[str, Any] = self.cache.header.index or {}
        network: FeatureNetwork = build(header["network"], "features")
        if fingerprint(network.network) != header["weights"]:
            raise ValueError(f"the index in {self.cache.folder} was made with other weights of "
                             f"{header['network']['name']}; delete the folder, and make it again")  # fmt: skip
        queries, memory = network(images).half().numpy(), self.cache.features("train")
        ids = prior.encode(images.to(prior.device)).cpu().numpy()
        found = _nearest(queries, memory, num, [(ids, _ids(self.memory)), (queries, memory)])
        return Condition({NEIGHBOURS: ids_of(self.memory, found)})

    def drawn(self, prior: Prior, noise: Noise, num: int) -> Condition:
        """The same of a random training picture for each of B pictures (Blattmann et al., 2022, arXiv 2204.11824).

        Args:
            prior: that shall be told them.
            noise: of the pictures.
            num: k, at most as many as are kept.

        Raises:
            ValueError: if there are not as many.
        """
        self.require(prior)
        require_kept(self.cache, num)
        rows = noise.integers(0, Stream.REFERENCE, 1, len(self.table)).squeeze(1).cpu()
        return Condition({NEIGHBOURS: ids_of(self.memory, self.table[rows, :num])})


def require_kept(cache: TokenCache, num: int) -> None:
    """Refuse to look up more neighbours than are kept.

    Raises:
        ValueError: says how many there are.
    """
    kept = (cache.header.index or {}).get("neighbours", 0)
    if num > kept:
        raise ValueError(f"the token cache {cache.folder} keeps {kept} neighbours of each picture, not {num}; "
                         f"`lightgen index --neighbours {num}` makes another")  # fmt: skip
