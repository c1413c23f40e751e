"""What a token cache says of itself, in `cache.json`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lightgen.data import old_caches
from lightgen.data.base import SPLITS, Split
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
