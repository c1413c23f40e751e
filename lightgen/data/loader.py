"""A training loader that resumes in the middle of an epoch, and knows how long it was waited for."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from lightgen.data.collection import draw_caption
from lightgen.data.order import TrainOrder
from lightgen.types import Batch

log = logging.getLogger(__name__)


def whole(batch: Any) -> Any:
    """Collate nothing: data sets fetch whole batches."""
    return batch


def leave_signals_to_the_main_process(worker: int) -> None:
    """For a worker: Ctrl-C reaches all processes of a terminal, and the main one decides what is finished first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def shares(length: int, batch_size: int, rank: int, world_size: int) -> list[list[int]]:
    """The batches of one rank, without padding: no picture is counted twice in a score.

    Raises:
        ValueError: if a rank would be left with nothing to do.
    """
    if 0 < length < world_size:
        raise ValueError(f"{length} held-out pictures are too few for {world_size} processes")
    numbers = list(range(rank, length, world_size))
    return [numbers[i : i + batch_size] for i in range(0, len(numbers), batch_size)]


class TimedLoader(DataLoader[Any]):
    """Training batches, by a loader that knows how long it was waited for.

    Lightning stores its state in checkpoints and gives it back.
    """

    waited: float = 0.0
    """Seconds that the training process has waited for batches."""

    def timed(self) -> Iterator[Any]:
        """What the data set yields."""
        start = time.perf_counter()
        for found in super().__iter__():
            self.waited += time.perf_counter() - start
            yield found
            start = time.perf_counter()


class TrainLoader(TimedLoader):
    """Follows a `TrainOrder`."""

    def __init__(self, dataset: Dataset[Batch], order: TrainOrder, num_workers: int) -> None:
        super().__init__(
            dataset, batch_sampler=order, num_workers=num_workers, collate_fn=whole,
            pin_memory=torch.cuda.is_available(), worker_init_fn=leave_signals_to_the_main_process,
        )  # fmt: skip
        self.order = order
        self.taken = order.first_batch

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        # A generator, so that the order is read when the epoch begins and not when the iterator is made.
        self.taken, epoch = self.order.first_batch, self.order.epoch
        for batch in self.timed():
            self.taken += 1
            draw_caption(batch, self.order.seed, epoch)
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The epoch, and how many of its batches were taken."""
        return {"epoch": self.order.epoch, "taken": self.taken, "batch": self.order.global_batch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batches that were taken."""
        before, now = state.get("batch", self.order.global_batch), self.order.global_batch
        if before != now:
            log.warning(
                f"batches of all processes were {before} pictures and are {now} now: "
                "in the epoch that goes on, some pictures are seen twice or not at all"
            )
        finished = state["taken"] >= len(self.order)
        self.order.epoch = state["epoch"] + int(finished)
        self.order.first_batch = self.taken = 0 if finished else state["taken"]
