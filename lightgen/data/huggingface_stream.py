"""Pictures from a Hugging Face data set that is read while it trains."""

from __future__ import annotations

import hashlib
import itertools
import logging
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from lightgen.data.base import ImageData, Split
from lightgen.data.collection import Collection, said
from lightgen.data.columns import Columns
from lightgen.data.huggingface import class_names, found, require_columns
from lightgen.data.metadata import Row, captions
from lightgen.data.pictures import Pictures
from lightgen.data.stream import EndlessBatches, Reading, StreamLoader
from lightgen.functional.pictures import to_tensor
from lightgen.functional.splits import split_of

log = logging.getLogger(__name__)


class HuggingFaceStream(ImageData):
    """A data set of the hub without a copy on the disk: training reads it again and again, in another order each time.

    Nobody knows how long it is, so that training is counted in steps, never in epochs. Held-out pictures are those of
    the first `head` that fall to them; others that do are left out. Which do depends on a picture's bytes alone, where
    there is no `identity`.

    Args:
        path: a name on the hub, or a folder that `save_to_disk` wrote.
        split: the data set's split to take pictures from.
        image_column: the column of pictures.
        labels: a column of class ids whose names the data set knows (`ClassLabel`).
        captions, identity: see `ImageFolder`; columns of the data set.
        columns: others that batches shall have as conditions: of numbers, of rows of numbers, or of class ids.
        head: rows among which there are held-out pictures.
        buffer: rows of which the next one is drawn.
        **kwargs: see `ImageData`.

    Raises:
        ValueError: if a number is out of range, or the package `datasets`, the data set or a column is missing.
    """

    source: ClassVar[str] = "the Hugging Face hub"

    def __init__(
        self,
        path: str,
        split: str = "train",
        image_column: str = "image",
        labels: str | None = None,
        captions: str | None = None,
        identity: str | None = None,
        columns: Sequence[str] = (),
        head: int = 4000,
        buffer: int = 1000,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if head < 1 or buffer < 1:
            raise ValueError(f"head and buffer must be at least 1, not {head} and {buffer}")
        self.path, self.split, self.head, self.buffer = path, split, head, buffer
        self.image_column, self.columns = image_column, Columns(labels, captions, identity, tuple(columns))
        self._opened: tuple[Any, Reading] | None = None
        self._captions: list[str] = []

    def collect(self) -> Collection:
        stream, reading = self._open()
        kept, self._captions = [], []
        for row in itertools.islice(stream, self.head):
            if reading.missing(row) is None and reading.split(row) != "train":
                kept.append(row)
            elif reading.missing(row) is None:
                self._captions += captions(row.get(self.columns.captions))
        if not kept and self.val_fraction + self.test_fraction > 0:
            raise ValueError(f"none of the first {self.head} pictures of {self.path} is held out; raise head, or "
                             "val_fraction")  # fmt: skip
        return _Head(reading, kept)

    def dataset(self, split: Split) -> Pictures:
        """One split of those that are held out.

        Raises:
            ValueError: for the training pictures, of which there is no list.
        """
        if split == "train":
            raise ValueError(f"{self.path} is a stream, whose training pictures come one by one; for a token cache, or "
                             "scores on them, HuggingFaceImages makes a copy on the disk")  # fmt: skip
        return super().dataset(split)

    def train_captions(self) -> list[str]:
        """All captions of the training pictures among the first `head`; empty without any."""
        len(self.collection.identities)
        return self._captions

    def setup(self, stage: str) -> None:
        counts = ", ".join(f"{len(self.dataset(split))} {split}" for split in ("val", "test"))
        log.info(f"{self.title}: {counts} pictures among the first {self.head}; those to train on are a stream")

    def train_dataloader(self) -> StreamLoader:
        stream, reading = self._open()
        turn = partial(_turn, stream, self.seed, self.buffer, self._ranks())
        to_image = partial(to_tensor, size=self.image_size, channels=self.channels, resize=self.resize)
        batches = EndlessBatches(turn, reading, to_image, self.batch_size, self.seed, self.mirror)
        return StreamLoader(batches, min(self.num_workers, turn(0).num_shards))

    def _open(self) -> tuple[Any, Reading]:
        """The stream, with pictures as bytes, and what its rows say."""
        if self._opened is None:
            side = partial(split_of, val_fraction=self.val_fraction, test_fraction=self.test_fraction, seed=self.seed)
            self._opened = _opened(self.path, self.split, self.image_column, self.columns, side)
        return self._opened


def _turn(stream: Any, seed: int, buffer: int, ranks: tuple[int, int], turn: int) -> Any:
    """One rank's rows, in the order of a turn."""
    from datasets.distributed import split_dataset_by_node

    # `set_epoch` would do it for all workers, wherever they are: they share its number.
    rows = stream.shuffle(generator=np.random.default_rng([seed, turn]), buffer_size=buffer)
    return split_dataset_by_node(rows, *ranks)


def _opened(path: str, split: str, image: str, columns: Columns, side: Callable[[str], str]) -> tuple[Any, Reading]:
    stream = found(path, split, streaming=True)
    import datasets

    features, wanted = stream.features, list(dict.fromkeys([image, *columns.names]))
    if features is None:
        raise ValueError(
            f"the data set {path} does not say beforehand what columns it has; HuggingFaceImages finds them"
        )
    require_columns(path, list(features), wanted)
    ids = class_names(features, columns.names)
    for name in filter(None, (columns.labels, *columns.others)):
        if name not in ids and (name == columns.labels or getattr(features[name], "dtype", "") == "string"):
            raise ValueError(f"column {name} of {path} is not of class ids with names (ClassLabel), and a stream does "
                             "not say beforehand what is in it; HuggingFaceImages finds out")  # fmt: skip
    if not isinstance(features[image], datasets.Image):
        raise ValueError(f"column {image} of {path} is not of pictures")
    stream = stream.select_columns(wanted).cast_column(image, datasets.Image(decode=False))
    return stream, Reading(path, image, columns, ids, datasets.Image().decode_example, side)


class _Head(Collection):
    """Held-out pictures at the beginning of a stream, as bytes."""

    def __init__(self, reading: Reading, rows: list[Row]) -> None:
        self.reading, self.rows = reading, rows
        self.fixed = [reading.split(row) for row in rows]
        self.identities = [reading.identity(row) for row in rows]
        self.conditions = reading.conditions(rows)
        self.class_names = reading.class_names.get(reading.columns.labels or "", [])
        self.words = {n: reading.class_names[n] for n in reading.columns.others if n in reading.class_names}
        described = self.conditions.get("captions", np.ones((0, 1, 1)))
        if without := int((described[:, 0, 0] == 0).sum()):
            warnings.warn(f"{reading.name}: {without} of {len(rows)} held-out pictures have no caption, which is "
                          "hidden for them", stacklevel=2)  # fmt: skip

    def contents(self) -> str:
        return hashlib.sha256(said(self)).hexdigest()

    def open(self, i: int) -> Image.Image:
        return self.reading.decode(self.rows[i][self.reading.image])
