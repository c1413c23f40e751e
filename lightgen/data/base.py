"""What all image data have in common: splits, resizing, batches, resuming, a fingerprint."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from abc import abstractmethod
from typing import Any, ClassVar, Literal

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from lightgen.data.collection import Collection, check_conditions, texts_of
from lightgen.data.loader import TimedLoader, TrainLoader, leave_signals_to_the_main_process, shares, whole
from lightgen.data.order import TrainOrder
from lightgen.data.pictures import Pictures
from lightgen.functional.boxes import BOXES
from lightgen.functional.pictures import Filter, check_filter
from lightgen.functional.splits import split_of
from lightgen.registry import Component
from lightgen.types import Batch

log = logging.getLogger(__name__)

Split = Literal["train", "val", "test"]
KEPT_BYTES = 1 << 30
"""Data sets whose pictures take no more are decoded once."""
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class ImageData(LightningDataModule, Component):
    """Pictures in three splits. A subclass says where they come from.

    Args:
        image_size: (H, W), or one number for squares. Pictures are resized to cover it and cropped at the centre. In a
            config of a prior, 0 takes the tokenizer's.
        channels: 3 for colour, 1 for grey.
        batch_size: per rank.
        num_workers: processes that read, at most one for each core; 0 reads in the training process.
        resize: the filter, antialiased; scores depend on it.
        mirror: show each training picture mirrored in half of the epochs.
        val_fraction, test_fraction: of the pictures, chosen by their identity.
        seed: of splits, order and mirroring.

    Raises:
        ValueError: if an argument is out of range, or the data are not there.
    """

    kind: ClassVar[str] = "data"

    def __init__(
        self,
        image_size: int | tuple[int, int] = 256,
        channels: int = 3,
        batch_size: int = 32,
        num_workers: int = 0,
        resize: Filter = "lanczos",
        mirror: bool = False,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_filter(resize)
        if channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, not {channels}")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if not (val_fraction >= 0 and test_fraction >= 0 and val_fraction + test_fraction < 1):
            raise ValueError(f"val_fraction and test_fraction must leave something to train on, not {val_fraction} and "
                             f"{test_fraction}")  # fmt: skip
        self.image_size = (image_size, image_size) if isinstance(image_size, int) else (image_size[0], image_size[1])
        if min(self.image_size) < 1:
            raise ValueError(f"image_size must be at least 1, not {image_size}")
        self.channels, self.batch_size = channels, batch_size
        self.num_workers = min(num_workers, num_cores())
        self.resize: Filter = resize
        self.mirror, self.seed = mirror, seed
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self._collection: Collection | None = None
        self._splits: dict[str, Pictures] = {}

    @abstractmethod
    def collect(self) -> Collection:
        """Find the pictures.

        Raises:
            ValueError: in one line that says what to install or what to put where.
        """

    @property
    def collection(self) -> Collection:
        """All pictures, found once.

        Raises:
            ValueError: if they are not there, or a condition has not a row for each of them.
        """
        if self._collection is None:
            found = self.collect()
            check_conditions(found)
            if self.mirror and BOXES in found.conditions:
                raise ValueError("mirror would turn pictures, but not their boxes; give mirror false")
            self._collection = found
        return self._collection

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their ids; empty without labels."""
        return list(self.collection.class_names)

    @property
    def conditions(self) -> dict[str, list[str]]:
        """What batches say of pictures, by name, and of a category the names of its values, in the order of ids."""
        return self.collection.described()

    @property
    def title(self) -> str:
        """What people call it: its class, and where the pictures are."""
        where = getattr(self, "root", None) or getattr(self, "path", None)
        return type(self).__name__ + (f" {where}" if where else "")

    def require_size(self, image_size: tuple[int, int], channels: int, tokenizer: str, option: str = "--data") -> None:
        """Refuse a tokenizer that is for other pictures.

        Args:
            image_size, channels: what the tokenizer takes.
            tokenizer: what people call it.
            option: of the command line, that these data stand behind.

        Raises:
            ValueError: in one line, which says what to give.
        """
        if tuple(image_size) != self.image_size:
            needed, given = (f"{height}x{width}" for height, width in (image_size, self.image_size))
            height, width = image_size
            side = height if height == width else f"[{height},{width}]"
            raise ValueError(f"{tokenizer} is for pictures of {needed}, but the data give {given}; "
                             f"add {option}.image_size {side}")  # fmt: skip
        if channels != self.channels:
            raise ValueError(f"{tokenizer} is for pictures of {channels} channels, but the data give {self.channels}; "
                             f"add {option}.channels {channels}")  # fmt: skip

    @property
    def options(self) -> dict[str, Any]:
        """How the pictures are resized and split."""
        return {
            "image_size": list(self.image_size), "channels": self.channels, "resize": self.resize,
            "val_fraction": self.val_fraction, "test_fraction": self.test_fraction, "seed": self.seed,
        }  # fmt: skip

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits that name the pictures, their split and how they are resized."""
        what = [list(self.options.values()), sorted(self.collection.identities), self.collection.contents()]
        digest = hashlib.sha256(json.dumps(what).encode())
        return digest.hexdigest()[:16]

    def dataset(self, split: Split) -> Pictures:
        """One split."""
        if not self._splits:
            rows: dict[str, list[int]] = {"train": [], "val": [], "test": []}
            for i, identity in enumerate(self.collection.identities):
                fixed = self.collection.fixed[i] if self.collection.fixed else None
                rows[fixed or split_of(identity, self.val_fraction, self.test_fraction, self.seed)].append(i)
            self._splits = {name: self._pictures(numbers) for name, numbers in rows.items()}
        return self._splits[split]

    def train_captions(self) -> list[str]:
        """All captions of the training pictures, and texts of their boxes; empty without any."""
        return texts_of(self.collection.conditions, self.dataset("train").rows)

    def setup(self, stage: str) -> None:
        counts = ", ".join(f"{len(self.dataset(split))} {split}" for split in SPLITS)
        log.info(f"{type(self).__name__}: {counts} pictures")

    def train_dataloader(self) -> TimedLoader:
        dataset = self.dataset("train")
        order = TrainOrder(len(dataset), self.batch_size, self.seed, *self._ranks(), mirror=self.mirror)
        return TrainLoader(dataset, order, self.num_workers)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def _loader(self, split: Split) -> DataLoader[Batch]:
        batches = shares(len(self.dataset(split)), self.batch_size, *self._ranks())
        return DataLoader(
            self.dataset(split), batch_sampler=batches, num_workers=self.num_workers, collate_fn=whole,
            worker_init_fn=leave_signals_to_the_main_process,
        )  # fmt: skip

    def _ranks(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def _pictures(self, rows: list[int]) -> Pictures:
        size = len(self.collection.identities) * self.channels * self.image_size[0] * self.image_size[1]
        # The processes of a loader end with the epoch, and what they keep with them.
        keep = self.num_workers == 0 and size <= KEPT_BYTES
        return Pictures(self.collection, rows, self.image_size, self.channels, self.resize, keep)


def num_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
