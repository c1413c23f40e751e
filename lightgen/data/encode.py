"""Making token caches: killed at any time, it goes on where it stopped; any number of processes share the work.

Every file is made under a lock that the system gives back when its holder dies, and gets its name when it is whole.
What is in it depends on nothing but tokenizer, data and options: a cache is the same to the byte, whoever made it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import cast

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightgen.checkpoint import fingerprint
from lightgen.data.base import SPLITS, ImageData, Split
from lightgen.data.collection import Array
from lightgen.data.index import Indexing
from lightgen.data.loader import leave_signals_to_the_main_process, whole
from lightgen.data.old_caches import stem_of
from lightgen.data.pictures import Pictures
from lightgen.data.text_features import describe_texts, distinct, encode_texts, packed
from lightgen.data.token_cache import (
    CAPTIONS,
    INDEX,
    LATER,
    TEXT,
    Header,
    TokenCache,
    checksum,
    header_json,
    read_header,
)
from lightgen.functional.boxes import BOXES
from lightgen.functional.files import atomic, save_json
from lightgen.text_encoders.base import TextEncoder
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import to_unit

log = logging.getLogger(__name__)

ROWS = 2048
"""Pictures in a file of ids: what a killed process has to do again."""

Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]


@contextmanager
def _announce(what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    log.info(what)
    yield lambda amount: None


def encode(
    folder: Path,
    tokenizer: Tokenizer,
    data: ImageData,
    num_crops: int = 0,
    progress: Progress = _announce,
    text_encoder: TextEncoder | None = None,
    indexing: Indexing | None = None,
) -> TokenCache:
    """Complete a token cache, or begin it. One without features of captions can get them later.

    Args:
        folder: of the cache.
        tokenizer: in eval mode, on the device that shall do the work.
        data: the pictures; its batch size and its workers are used.
        num_crops: random windows of each training picture, in place of the centre.
        progress: of what is done, how much and of what, makes the function that is told of every picture done.
        text_encoder: a frozen one, whose features of all captions are kept, and which is put on the tokenizer's device;
            None keeps none.
        indexing: how to find the neighbours of all pictures, by a network on the tokenizer's device; likewise.

    Raises:
        ValueError: if the folder holds a cache of another tokenizer, text encoder or index, of other data or with other
            options, the tokenizer is not for such pictures, or there are no captions to encode.
    """
    header = describe_cache(tokenizer, data, num_crops, text_encoder, indexing)
    header = _begin(folder, header)
    _remove_damaged(folder, header)
    todo = [stem for stem in header.stems() if stem not in _done(folder)]
    if todo or not _listed(folder):
        maker = _Maker(folder, header, tokenizer, data, text_encoder, indexing)
        of_text, of_index = ([stem for stem in todo if stem.startswith(f"{part}-")] for part in (TEXT, INDEX))
        if of_text and text_encoder is None:
            raise ValueError(f"the token cache {folder} was begun with features of captions by "
                             f"{(header.texts or {}).get('title')}; name it again, or delete the cache")  # fmt: skip
        if of_index and indexing is None:
            raise ValueError(f"the token cache {folder} was begun with an index; `lightgen index --out {folder}` goes "
                             "on, or delete the cache")  # fmt: skip
        _make([stem for stem in todo if stem not in (*of_text, *of_index)], maker, "pictures", progress)
        _make(of_text, maker, "captions", progress)
        # Neighbours come last, for they need the features of all.
        _make([stem for stem in of_index if stem in header.index_shards()], maker, "pictures to index", progress)
        _make([stem for stem in of_index if stem not in header.index_shards()], maker, "pictures to compare", progress)
        _finish(folder, header)
    return TokenCache(folder)


def _make(stems: list[str], maker: _Maker, what: str, progress: Progress) -> None:
    if not stems:
        return
    total = sum(map(maker.cost, stems))
    with progress(f"encoding {total} {what} to {maker.folder}", total, what) as advance:
        # First what nobody is at, then what others have not finished, for they may be killed.
        busy = [stem for stem in stems if not maker.make(stem, advance, wait=False)]
        for stem in busy:
            maker.make(stem, advance, wait=True)


def describe_cache(
    tokenizer: Tokenizer,
    data: ImageData,
    num_crops: int,
    text_encoder: TextEncoder | None = None,
    indexing: Indexing | None = None,
) -> Header:
    """The header of the cache that `encode` would make.

    Raises:
        ValueError: if the tokenizer is not for such pictures, there are no captions for a text encoder, or nothing to
            index.
    """
    if num_crops < 0:
        raise ValueError(f"num_crops must be at least 0, not {num_crops}")
    if num_crops and BOXES in data.collection.conditions:
        raise ValueError("num_crops would cut windows out of pictures, but not of their boxes; give num_crops 0")
    data.require_size(tokenizer.image_size, tokenizer.channels, "the tokenizer")
    return Header(
        tokenizer=fingerprint(tokenizer),
        data=data.fingerprint,
        num_crops=num_crops,
        mirror=data.mirror,
        vocab_size=tokenizer.layout.vocab_size,
        shape=list(_encode(tokenizer, torch.zeros(1, data.channels, *data.image_size, dtype=torch.uint8)).shape[1:]),
        seed=data.seed,
        counts={split: len(data.dataset(split)) for split in SPLITS},
        conditions={
            name: {"dtype": column.dtype.name, "shape": list(column.shape[1:])}
            for name, column in data.collection.conditions.items()
        },
        categories={name: names for name, names in data.conditions.items() if names},
        rows=ROWS,
        texts=None if text_encoder is None else describe_texts(text_encoder, data),
        index=None if indexing is None else indexing.describe(data),
        origin={"title": data.title, **data.options},
    )


@torch.no_grad()
def _encode(tokenizer: Tokenizer, images: Tensor) -> Tensor:
    return tokenizer.encode(to_unit(images.to(_device(tokenizer)))).cpu()


def _device(tokenizer: Tokenizer) -> torch.device:
    return next((parameter.device for parameter in tokenizer.parameters()), torch.device("cpu"))


def _lock(folder: Path, stem: str, wait: bool = True) -> FileLock:
    return FileLock(folder / f"{stem}.lock", timeout=-1 if wait else 0)


def _begin(folder: Path, header: Header) -> Header:
    """The header in the folder, which is written unless it is there."""
    found = read_header(folder)
    if found is None:
        folder.mkdir(parents=True, exist_ok=True)
        found = _write(folder, header)
    wanted = {name: value for name, value in vars(header).items() if name not in ("rows", *LATER)}
    found[0].require(folder, **wanted)
    if found[0].lacking(header):
        found = _write(folder, header)
    found[0].require(folder, **{name: value for name in LATER if (value := getattr(header, name)) is not None})
    return found[0]


def _write(folder: Path, header: Header) -> tuple[Header, list[str]]:
    """Begin a cache, or one with features of captions or an index in place of one without, unless another was first."""
    with _lock(folder, "cache"):
        found = read_header(folder)
        if found is None:
            found = header, []
        elif lacks := found[0].lacking(header):
            found = replace(found[0], **lacks), []
        if not found[1]:
            save_json(header_json(*found), folder / "cache.json")
    return found


def _done(folder: Path) -> dict[str, str]:
    """Names of the files that are whole, by stem."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    return {stem_of(name): name for name in names if name.count(".") == 2}


def _remove_damaged(folder: Path, header: Header) -> None:
    """Let files be made again whose checksum is not that in their name."""
    done = _done(folder)
    for name in (done[stem] for stem in header.stems() if stem in done):
        path = folder / name
        if checksum(path.read_bytes()) != name.split(".")[1]:
            log.warning(f"{path} is damaged, and is made again")
            path.unlink(missing_ok=True)


def _listed(folder: Path) -> bool:
    found = read_header(folder)
    return found is not None and bool(found[1])


def _finish(folder: Path, header: Header) -> None:
    """List the files, which makes the cache complete."""
    done = _done(folder)
    with _lock(folder, "cache"):
        for path in folder.glob(".cache.*"):
            path.unlink()
        save_json(header_json(header, [done[stem] for stem in header.stems()]), folder / "cache.json")
    # Whoever still waits for one of these finds that there is nothing left to do.
    for path in folder.glob("*.lock"):
        path.unlink(missing_ok=True)


class _Maker:
    """Makes files of a cache."""

    def __init__(
        self,
        folder: Path,
        header: Header,
        tokenizer: Tokenizer,
        data: ImageData,
        text_encoder: TextEncoder | None,
        indexing: Indexing | None,
    ) -> None:
        self.folder, self.header, self.tokenizer, self.data = folder, header, tokenizer, data
        self.text_encoder, self.indexing = text_encoder, indexing

    def make(self, stem: str, advance: Callable[[int], None], wait: bool) -> bool:
        """Make a file, unless it is there; False if another process is at it."""
        try:
            with _lock(self.folder, stem, wait):
                if stem in _done(self.folder):
                    advance(self.cost(stem))
                    return True
                for path in self.folder.glob(f".{stem}.*"):
                    # Of a process that was killed, for we hold its lock.
                    path.unlink()
                contents, suffix = self._contents(stem, advance)
                with atomic(self.folder / f"{stem}.{checksum(contents)}{suffix}") as temporary:
                    temporary.write_bytes(contents)
        except Timeout:
            return False
        return True

    def cost(self, stem: str) -> int:
        """Pictures, or captions, to encode."""
        if stem in self.header.text_shards():
            return len(self.header.text_shards()[stem])
        if stem.startswith(f"{INDEX}-"):
            return len(self.header.index_shards().get(stem, ()))
        split, part = self._parse(stem)
        return len(self.header.shards(split)[stem]) if part.isdigit() else 0

    def _parse(self, stem: str) -> tuple[Split, str]:
        split, part = stem.split("-", 1)
        return cast(Split, split), part

    def _contents(self, stem: str, advance: Callable[[int], None]) -> tuple[bytes, str]:
        if stem.startswith(f"{TEXT}-"):
            return self._text(stem, advance), ".npy"
        if stem.startswith(f"{INDEX}-"):
            return _npy(self._index(stem, advance)), ".npy"
        split, part = self._parse(stem)
        pictures = self.data.dataset(split)
        if part == "names":
            return json.dumps(pictures.names, indent=0).encode(), ".json"
        if part.startswith("condition-"):
            column = pictures.collection.conditions[part.removeprefix("condition-")]
            return _npy(column[pictures.rows]), ".npy"
        return _npy(self._ids(split, self.header.shards(split)[stem], advance)), ".npy"

    @cached_property
    def _captions(self) -> Array:
        return distinct(self.data.collection.conditions["captions"])

    def _text(self, stem: str, advance: Callable[[int], None]) -> bytes:
        assert self.text_encoder is not None
        if stem == CAPTIONS:
            return _npy(self._captions)
        numbers = self.header.text_shards()[stem]
        part = self._captions[numbers.start : numbers.stop]
        return packed(*encode_texts(self.text_encoder, part, self.data.batch_size, _device(self.tokenizer), advance))

    def _index(self, stem: str, advance: Callable[[int], None]) -> Array:
        assert self.indexing is not None
        split, part = self._parse(stem.removeprefix(f"{INDEX}-"))
        if part.isdigit():
            numbers = self.header.index_shards()[stem]
            return self.indexing.features(self.data.dataset(split), numbers, self.data.batch_size, advance)
        return self.indexing.neighbours(split, TokenCache(self.folder, _done(self.folder)))

    def _ids(self, split: Split, numbers: range, advance: Callable[[int], None]) -> Array:
        crops, flips = self.header.views(split)
        ids = np.empty((len(numbers), crops, flips, *self.header.shape), self.header.dtype)
        windows = self.header.num_crops if split == "train" else 0
        size = self.data.batch_size
        batches = [list(numbers[i : i + size]) for i in range(0, len(numbers), size)]
        loader = DataLoader(_Windows(self.data.dataset(split), windows, self.data.seed), batch_sampler=batches,
                            num_workers=self.data.num_workers, collate_fn=whole,
                            worker_init_fn=leave_signals_to_the_main_process)  # fmt: skip
        for batch, images in zip(batches, loader, strict=True):
            rows = slice(batch[0] - numbers.start, batch[-1] + 1 - numbers.start)
            for crop in range(crops):
                for flip in range(flips):
                    view = images[:, crop].flip(-1) if flip else images[:, crop]
                    ids[rows, crop, flip] = _encode(self.tokenizer, view).numpy()
            advance(len(batch))
        return ids


class _Windows(Dataset[Tensor]):
    """uint8 (B, crops, C, H, W): the windows of pictures, by their numbers."""

    def __init__(self, pictures: Pictures, num_crops: int, seed: int) -> None:
        self.pictures, self.num_crops, self.seed = pictures, num_crops, seed

    def __getitems__(self, numbers: list[int]) -> Tensor:
        return self.pictures.windows(numbers, self.num_crops, self.seed)


def _npy(array: Array) -> bytes:
    file = BytesIO()
    np.save(file, array)
    return file.getvalue()
