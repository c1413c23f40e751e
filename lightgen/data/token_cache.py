"""Token caches: the ids of a data set, encoded once, in a folder.

    cache.json                            what the ids are of (`Header`); complete once its `files` are listed
    train-names.93c1d2f0.json             a list of the pictures' names (their identities), in the order of the split
    train-condition-label.5b0e77aa.npy    (pictures, ...) one of the named conditions
    train-00000.1f3a9c04.npy              (rows, crops, flips, *shape) ids of the first pictures, then 00001, ...

and the same for `val` and `test`; beside them, where a text encoder was named, the features of all captions (see
`lightgen.data.text_features`), and where an index was, the neighbours of all pictures (see `lightgen.data.index`). Ids
are uint16, or uint32 for more than 65,536 codes. `crops` are the centre alone or `num_crops` random windows, `flips`
are each picture and, if `mirror`, its mirror image; held-out pictures have one view. The eight digits in a file's name
are the CRC-32 of its bytes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightgen.data import old_caches
from lightgen.data.base import Split
from lightgen.data.collection import Array
from lightgen.data.text_features import TextFeatures
from lightgen.data.token_dataset import TokenDataset
from lightgen.data.token_header import CAPTIONS, INDEX, read_header


def checksum(contents: bytes) -> str:
    """The digits in a file's name."""
    return f"{zlib.crc32(contents):08x}"


class TokenCache:
    """A complete cache, opened for reading.

    Args:
        folder: of the cache.
        files: by stem, of a cache that is being made; None takes those of a complete one.

    Raises:
        ValueError: if there is no cache, or it is incomplete.
    """

    def __init__(self, folder: Path, files: Mapping[str, str] | None = None) -> None:
        found = read_header(folder)
        if found is None or not (files or found[1]):
            what = "no token cache at" if found is None else "there is only part of a token cache at"
            raise ValueError(f"{what} {folder}; `lightgen encode --out {folder}` makes it, or goes on where it stopped")
        self.folder = folder
        self.header = found[0]
        self.files = files or {old_caches.stem_of(name): name for name in found[1]}

    def dataset(self, split: Split) -> TokenDataset:
        """The ids and conditions of one split.

        Raises:
            ValueError: if a file is damaged or missing; it is named.
        """
        shards = [self._load(stem) for stem in self.header.shards(split)]
        conditions = {name: self._load(f"{split}-condition-{name}") for name in self.header.conditions}
        return TokenDataset(self.header, split, shards, conditions)

    def text_features(self) -> TextFeatures | None:
        """Looks up the features of captions, if there are some.

        Raises:
            ValueError: as `dataset`.
        """
        if self.header.texts is None:
            return None
        return TextFeatures(self._checked(CAPTIONS), [self._checked(stem) for stem in self.header.text_shards()])

    def features(self, split: Split) -> Array:
        """(n, d) float16, of the pictures of one split; there must be an index.

        Raises:
            ValueError: as `dataset`.
        """
        found = [self._load(f"{INDEX}-{stem}") for stem in self.header.shards(split)]
        return np.concatenate(found) if found else np.zeros((0, 1), np.float16)

    def neighbours(self, split: Split) -> Array:
        """(n, K) int64: numbers of training pictures, the nearest first, and -1 where there are no more.

        Raises:
            ValueError: as `dataset`, or if there is no index.
        """
        if self.header.index is None:
            raise ValueError(
                f"the token cache {self.folder} has no index; `lightgen index --out {self.folder}` makes it"
            )
        return self._load(f"{INDEX}-{split}-neighbours").astype(np.int64)

    def names(self, split: Split) -> list[str]:
        """What the pictures of one split are called."""
        names: list[str] = json.loads(self._checked(f"{split}-names").read_bytes())
        return names

    def require_pictures(self, where: Path, names: Mapping[Split, Sequence[str]], **views: Any) -> None:
        """Refuse to be the coarser ids of other pictures, or of other views of them.

        Args:
            where: the cache of the finer ids.
            names: of its pictures, by split.
            views: values of its header that must be the same.

        Raises:
            ValueError: names the first difference.
        """
        there = f"the coarser ids in {self.folder} are not of the same pictures as those for {where}"
        for name, value in views.items():
            if (mine := getattr(self.header, name)) != value:
                raise ValueError(f"{there}: {name} is {mine}, not {value}")
        for split, wanted in names.items():
            found = self.names(split)
            if len(found) != len(wanted):
                raise ValueError(f"{there}: of {split} there are {len(found)}, not {len(wanted)}")
            for mine, theirs in zip(found, wanted, strict=True):
                if mine != theirs:
                    raise ValueError(f"{there}: one of {split} is {mine}, not {theirs}")

    def _load(self, stem: str) -> Array:
        # As plain arrays, which take an index in half the time.
        return np.asarray(np.load(self._checked(stem), mmap_mode="r"))

    def _checked(self, stem: str) -> Path:
        path = self.folder / self.files[stem]
        if not path.is_file() or checksum(path.read_bytes()) != path.name.split(".")[1]:
            state = "damaged: its checksum is not that in its name" if path.is_file() else "missing"
            raise ValueError(f"{path} is {state}; delete it, and `lightgen encode` makes that file again")
        return path
