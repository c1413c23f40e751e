"""Batches from rows that come one by one, again and again."""

from __future__ import annotations

import hashlib
import itertools
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from lightgen.data.collection import Array, described, draw_caption
from lightgen.data.columns import Columns, padded
from lightgen.data.loader import TimedLoader, leave_signals_to_the_main_process, whole
from lightgen.data.metadata import Row, captions, column
from lightgen.data.pictures import refuse_corrupt
from lightgen.functional.picture_files import UNREADABLE
from lightgen.functional.random import Noise, Stream
from lightgen.types import Batch

log = logging.getLogger(__name__)

FEWEST = 1000
"""Pictures among which a share of corrupt ones is told; of the first few it would say nothing."""

Place = tuple[int, int]
"""How often the rows were gone through, and the number of a batch in that turn."""


@dataclass(frozen=True)
class Reading:
    """What the rows of a stream say.

    Args:
        name: what the stream is called.
        image: the column of pictures, `{"bytes": ..., "path": ...}` in each row.
        columns: those that are wanted.
        class_names: of columns of class ids, by their names.
        decode: makes a picture of what is in the column.
        side: which split a picture of an identity is in.
    """

    name: str
    image: str
    columns: Columns
    class_names: Mapping[str, list[str]]
    decode: Callable[[Row], Image.Image]
    side: Callable[[str], str]

    def missing(self, row: Row) -> str | None:
        """A column without which the row is of no use."""
        numbers = [name for name in self.columns.others if name not in self.categories]
        needed = filter(None, (self.image, self.columns.labels, *numbers))
        # No class is -1 in Hugging Face's data sets.
        return next((n for n in needed if row[n] is None or (n in self.class_names and row[n] == -1)), None)

    @property
    def categories(self) -> list[str]:
        """The columns of class ids, beside the class itself, that may not be known of a picture."""
        return [name for name in self.columns.others if name in self.class_names]

    def split(self, row: Row) -> str:
        """Which split it is in."""
        return self.side(self.identity(row))

    def key(self, row: Row) -> bytes:
        """What names a picture: its bytes, or where it is."""
        picture = row[self.image]
        return hashlib.sha256(picture["bytes"] or str(picture["path"]).encode()).digest()

    def identity(self, row: Row) -> str:
        """What the picture shows: see `Collection`."""
        given = row[self.columns.identity] if self.columns.identity else None
        return self.key(row).hex() if given is None else f"{given}"

    def conditions(self, rows: Sequence[Row]) -> dict[str, Array]:
        """Columns as a `Collection` has them."""
        found: dict[str, Array] = {}
        if name := self.columns.labels:
            found["label"] = np.array([row[name] for row in rows], np.int64)
        for name in self.columns.others:
            values = [row[name] for row in rows]
            if name in self.class_names:
                values = [-1 if value is None else value for value in values]
            found[name] = column(name, values)[0]
        if name := self.columns.captions:
            found["captions"] = padded([captions(row[name]) for row in rows])
        return found


@dataclass(frozen=True)
class Turns:
    """Where a stream's training batches go on: for each worker the place of its next batch, and whose turn it is."""

    places: Sequence[Place]
    worker: int = 0


class EndlessBatches(IterableDataset[Any]):
    """Training batches of one rank, with their places; the rows are gone through again and again.

    Args:
        rows: of a turn, those of one worker, in another order each time.
        reading: what they say.
        to_image: makes a uint8 tensor (C, H, W) of a picture.
        batch_size: of what is left at the end of a turn there is no batch.
        seed: of mirroring, and of the captions that are drawn.
        mirror: see `TrainOrder`.
    """

    def __init__(
        self,
        rows: Callable[[int], Iterable[Row]],
        reading: Reading,
        to_image: Callable[[Image.Image], Tensor],
        batch_size: int,
        seed: int,
        mirror: bool,
    ) -> None:
        self.rows, self.reading, self.to_image, self.batch_size = rows, reading, to_image, batch_size
        self.seed, self.mirror = seed, mirror
        self.start: Turns | None = None
        self.seen = 0
        self.noted: Counter[str] = Counter()
        self.corrupt: list[str] = []

    def __iter__(self) -> Iterator[tuple[Place, Batch | None]]:
        worker = get_worker_info()
        mine = 0 if worker is None else worker.id
        first, before = (0, 0) if self.start is None else self.start.places[mine]
        if self.start is not None and mine < self.start.worker:
            # The loader begins with worker 0, whose turn it may not be.
            yield (first, before), None
        for turn in itertools.count(first):
            rows, number = self._usable(turn), 0
            while len(chosen := list(itertools.islice(rows, self.batch_size))) == self.batch_size:
                if turn > first or number >= before:
                    yield (turn, number), self._batch(chosen, turn)
                number += 1
            if number == 0:
                raise ValueError(f"{len(chosen)} training pictures in a part of {self.reading.name} are too few for a "
                                 f"batch of {self.batch_size}; have fewer workers, or smaller batches")  # fmt: skip

    def _usable(self, turn: int) -> Iterator[Row]:
        for row in self.rows(turn):
            self.seen += 1
            if (missing := self.reading.missing(row)) is not None:
                self._note(f"have no {missing} and are left out")
            elif self.reading.split(row) == "train":
                yield row

    def _batch(self, rows: list[Row], turn: int) -> Batch:
        images = [self._image(row) for row in rows]
        readable = [i for i, image in enumerate(images) if image is not None]
        if not readable:
            raise ValueError(f"no picture of a batch of {self.reading.name} can be read")
        # In place of a picture that cannot be read stands another one, with all that is said of it.
        chosen = [i if image is not None else readable[i % len(readable)] for i, image in enumerate(images)]
        rows = [rows[i] for i in chosen]
        keys = [int.from_bytes(self.reading.key(row)[:8], "big", signed=True) for row in rows]
        found, every = self.reading.conditions(rows), list(range(len(rows)))
        batch = Batch(index=torch.tensor(keys), **described(found, every, self.reading.categories))
        turned = Noise(self.seed, batch["index"]).uniform(turn, Stream.MIRROR, 1).squeeze(1) < 0.5
        pairs = zip(chosen, (turned & self.mirror).tolist(), strict=True)
        shown = [(images[i], flip) for i, flip in pairs]
        batch["image"] = torch.stack([image.flip(-1) if flip else image for image, flip in shown if image is not None])
        draw_caption(batch, self.seed, turn)
        for name, hidden in batch.get("hidden", {}).items():
            for _ in range(int(hidden.sum())):
                self._note(f"have no {name}, which is hidden for them")
        return batch

    def _image(self, row: Row) -> Tensor | None:
        try:
            return self.to_image(self.reading.decode(row[self.reading.image]))
        except UNREADABLE as error:
            self.corrupt.append(f"{row[self.reading.image]['path']} ({' '.join(str(error).split())})")
            refuse_corrupt(self.corrupt, max(self.seen, FEWEST))
            self._note("are corrupt and left out")
            return None

    def _note(self, what: str) -> None:
        """Say how many there are of a kind: the first is said, the tenth, the hundredth."""
        self.noted[what] += 1
        if str(self.noted[what]).strip("0") == "1":
            warnings.warn(
                f"{self.reading.name}: {self.noted[what]} of {self.seen} pictures so far {what}", stacklevel=2
            )


class StreamLoader(TimedLoader):
    """Training batches of a stream, which never end; it goes on where a checkpoint left it.

    Args:
        batches: of this rank.
        num_workers: as many as there are parts of the stream, or fewer.
    """

    def __init__(self, batches: EndlessBatches, num_workers: int) -> None:
        super().__init__(
            batches, batch_size=None, num_workers=num_workers, collate_fn=whole, pin_memory=torch.cuda.is_available(),
            worker_init_fn=leave_signals_to_the_main_process,
        )  # fmt: skip
        self.batches = batches
        self.next = Turns([(0, 0)] * max(1, num_workers))

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        self.batches.start, places = self.next, list(self.next.places)
        worker = -1
        for place, batch in self.timed():
            worker = (worker + 1) % len(places)
            if batch is not None:
                places[worker] = (place[0], place[1] + 1)
                self.next = Turns(tuple(places), (worker + 1) % len(places))
                yield batch

    def state_dict(self) -> dict[str, Any]:
        """Where each worker goes on."""
        return {"places": [list(place) for place in self.next.places], "worker": self.next.worker}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batches that were taken."""
        places = [(turn, number) for turn, number in state["places"]]
        if len(places) == len(self.next.places):
            self.next = Turns(places, state["worker"])
            return
        log.warning(
            f"the stream was read by {len(places)} workers and is by {len(self.next.places)} now: it begins anew"
        )
        self.next = Turns([(max(turn for turn, _ in places) + 1, 0)] * len(self.next.places))
