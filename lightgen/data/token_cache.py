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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightgen.data import old_caches
from lightgen.data.base import SPLITS, Split
from lightgen.data.collection import Array
from lightgen.data.text_features import TextFeatures
from lightgen.data.token_dataset import TokenDataset
from lightgen.functional.text import CAPTION
from lightgen.layout import Layout

FORMAT = 3
TEXT = "text"
INDEX = "index"
LATER = ("texts", "index")
"""What a cache may be given later."""
CAPTIONS = f"{TEXT}-captions"


@dataclass(frozen=True)
class Header:
    """What the ids of a cache are of.

    Args:
        tokenizer: fingerprint of the tokenizer's weights.
        data: fingerprint of the pictures.
        num_crops: random windows of each training picture; 0 is the centre alone.
        mirror: whether training pictures are also there mirrored.
        vocab_size: V.
        shape: of one picture's ids, e.g. (h, w).
        seed: of the data.
        counts: pictures in each split.
        conditions: by name, the `dtype`, and the `shape` of one picture's row.
        categories: by name of a condition, e.g. "label", the names of its values in the order of their ids.
        rows: pictures in a file of ids; the last file of a split may hold fewer.
        texts: whose features of captions there are, the `encoder`'s name, its class as `title`, and the number of
            distinct `captions`; None where there are none.
        index: by what pictures are near each other, the `network`, the hash of its `weights`, the `neighbours` of each,
            and whether `variants` may be among them; None where there is no index.
        origin: the data's `title` and `options`, for people; empty in caches of earlier versions.
    """

    tokenizer: str
    data: str
    num_crops: int
    mirror: bool
    vocab_size: int
    shape: list[int]
    seed: int
    counts: dict[str, int]
    conditions: dict[str, dict[str, Any]]
    categories: dict[str, list[str]]
    rows: int
    texts: dict[str, Any] | None = None
    index: dict[str, Any] | None = None
    origin: dict[str, Any] = field(default_factory=dict, compare=False)

    def described(self) -> dict[str, list[str]]:
        """See `ImageData.conditions`."""
        return {CAPTION if n == "captions" else n: self.categories.get(n, []) for n in self.conditions}

    @property
    def layout(self) -> Layout:
        """Where the ids stand."""
        num_codes = self.shape[0] if len(self.shape) == 3 else 1
        return Layout(tuple(self.shape[-2:]), self.vocab_size, num_codes)

    @property
    def dtype(self) -> type[np.unsignedinteger[Any]]:
        """What ids are stored as."""
        return np.uint16 if self.vocab_size <= 1 << 16 else np.uint32

    def views(self, split: Split) -> tuple[int, int]:
        """Crops and flips of each picture."""
        return (max(1, self.num_crops), 1 + self.mirror) if split == "train" else (1, 1)

    def shards(self, split: Split) -> dict[str, range]:
        """The pictures in each file of ids, by the stem of its name."""
        count = self.counts[split]
        starts = range(0, count, self.rows)
        return {f"{split}-{i:05d}": range(s, min(s + self.rows, count)) for i, s in enumerate(starts)}

    def stems(self) -> list[str]:
        """Of all files, without checksum and suffix."""
        lists = ["names", *(f"condition-{name}" for name in self.conditions)]
        own = [stem for split in SPLITS for stem in (*(f"{split}-{part}" for part in lists), *self.shards(split))]
        near = [f"{INDEX}-{split}-neighbours" for split in SPLITS] if self.index else []
        return [*own, *([CAPTIONS] if self.texts else []), *self.text_shards(), *self.index_shards(), *near]

    def index_shards(self) -> dict[str, range]:
        """The pictures in each file of their features, by the stem of its name."""
        shards = {stem: numbers for split in SPLITS for stem, numbers in self.shards(split).items()}
        return {f"{INDEX}-{stem}": numbers for stem, numbers in shards.items()} if self.index else {}

    def text_shards(self) -> dict[str, range]:
        """The captions in each file of features, by the stem of its name."""
        count = self.texts["captions"] if self.texts else 0
        return {
            f"{TEXT}-{i:05d}": range(s, min(s + self.rows, count)) for i, s in enumerate(range(0, count, self.rows))
        }

    def lacking(self, other: Header) -> dict[str, Any]:
        """What a cache may be given later, and another has, and this one has not."""
        there = {name: getattr(other, name) for name in LATER if getattr(self, name) is None}
        return {name: value for name, value in there.items() if value is not None}

    def require(self, folder: Path, **wanted: Any) -> None:
        """Refuse a cache that was made otherwise.

        Raises:
            ValueError: names the first difference.
        """
        for name, value in wanted.items():
            if name == "origin" or getattr(self, name) == value:
                continue
            if name == "tokenizer":
                made = "by another tokenizer"
            elif name == "data":
                made = f"from {_difference(self.origin, wanted.get('origin', {}))}"
            elif name == "index":
                made = f"with an index by {_told(self.index)}, not {_told(value)}"
            elif name == "texts":
                made = f"with features of captions by another text encoder ({(self.texts or {}).get('title')})"
            else:
                made = f"with {name} {getattr(self, name)}, not {value}"
            raise ValueError(f"the token cache {folder} was made {made}; delete it, or name another folder")


def _told(index: dict[str, Any] | None) -> str:
    """An index in words."""
    found = index or {}
    return f"{found['network']['name']} of {found['neighbours']} neighbours, variants {found['variants']}"


def _difference(made: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What a cache was made from, and what it was to be made from, by their origins."""
    if not made or not wanted:
        return "other pictures"
    if made["title"] != wanted["title"]:
        return f"{made['title']}, not from {wanted['title']}"
    for name, value in wanted.items():
        if made.get(name) != value:
            return f"{made['title']} with {name} {made.get(name)}, not {value}"
    return f"{made['title']} when that held other pictures"


def read_header(folder: Path) -> tuple[Header, list[str]] | None:
    """What a cache says it is, and its files, which are none before it is complete; None without a cache.

    Raises:
        ValueError: if `cache.json` is damaged, or of another version.
    """
    path = folder / "cache.json"
    if not path.is_file():
        return None
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        number, files = entry.pop("format"), entry.pop("files")
        if number == 1:
            entry = old_caches.from_format_1(entry)
        if number in (1, 2):
            entry = old_caches.from_format_2(entry)
        if number in (1, 2, FORMAT):
            return Header(**entry), files
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{path} is damaged, or not of a token cache; delete the folder to encode anew") from None
    raise ValueError(f"{path} is of version {number} of token caches, not {FORMAT}; delete the folder to encode anew")


def header_json(header: Header, files: list[str]) -> dict[str, Any]:
    """The contents of `cache.json`."""
    return {"format": FORMAT, **asdict(header), "files": files}


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
