"""Ids instead of pictures: encode a data set once, train on the ids."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lightgen.checkpoint import fingerprint, load_tokenizer
from lightgen.data.base import SPLITS, ImageData, Split
from lightgen.data.loader import TrainLoader, shares, whole
from lightgen.data.order import TrainOrder
from lightgen.functional.files import atomic
from lightgen.registry import Component
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import Batch, to_unit

log = logging.getLogger(__name__)

ENCODE_BATCH = 64


class CachedTokens(LightningDataModule, Component):
    """The ids of a data set, encoded on first use and kept in files.

    A cache is named after the tokenizer's weights and the data's fingerprint, so that it is never used with others.

    Args:
        data: the pictures; batch size, mirroring and splits are theirs.
        tokenizer: path of the tokenizer's checkpoint.
        root: folder for the caches.

    Raises:
        ValueError: if the tokenizer cannot be read, or a cache is damaged.
    """

    kind: ClassVar[str] = "data"
    source: ClassVar[str] = "ids of any other data, encoded once"

    def __init__(self, data: ImageData, tokenizer: str, root: str = "runs/token-cache") -> None:
        super().__init__()
        self.pictures = data
        self.tokenizer: Tokenizer = load_tokenizer(tokenizer)
        self.folder = Path(root) / f"{fingerprint(self.tokenizer)}-{data.fingerprint}"

    def prepare_data(self) -> None:
        # Lightning runs this on one process of each node; the others wait.
        for split in SPLITS:
            path = self._path(split)
            if not path.is_file():
                dataset = self.pictures.dataset(split)
                log.info(f"encoding {len(dataset)} {split} pictures to {path}")
                with atomic(path) as temporary:
                    np.save(temporary, self._encode(split))
        if not (self.folder / "cache.json").is_file():
            with atomic(self.folder / "cache.json") as temporary:
                temporary.write_text(json.dumps({"vocab_size": self.tokenizer.vocab_size, "grid": self.tokenizer.grid}))

    def train_dataloader(self) -> TrainLoader:
        ids = self.dataset("train")
        rank, world_size = self._ranks()
        batch_size, seed, mirror = self.pictures.batch_size, self.pictures.seed, self.pictures.mirror
        return TrainLoader(ids, TrainOrder(len(ids), batch_size, seed, rank, world_size, mirror), 0)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def dataset(self, split: Split) -> TokenDataset:
        """One split; `prepare_data` must have run."""
        try:
            ids = np.load(self._path(split), mmap_mode="r")
        except (OSError, ValueError, EOFError):
            raise ValueError(f"the token cache {self._path(split)} is damaged; delete it to encode it anew") from None
        return TokenDataset(ids, self.pictures.dataset(split).labels)

    def _path(self, split: Split) -> Path:
        return self.folder / f"{split}.npy"

    @torch.no_grad()
    def _encode(self, split: Split) -> np.ndarray[Any, Any]:
        """(n, 2, h, w) ids of each picture and its mirror; validation needs no mirror: (n, 1, h, w)."""
        dataset = self.pictures.dataset(split)
        kind = np.uint16 if self.tokenizer.vocab_size <= 1 << 16 else np.uint32
        flips = (False, True) if split == "train" and self.pictures.mirror else (False,)
        ids = np.empty((len(dataset), len(flips), *self.tokenizer.grid), kind)
        for start in range(0, len(dataset), ENCODE_BATCH):
            numbers = range(start, min(start + ENCODE_BATCH, len(dataset)))
            images = to_unit(dataset.__getitems__(list(numbers))["image"])
            for side, flip in enumerate(flips):
                ids[start : numbers.stop, side] = self.tokenizer.encode(images.flip(-1) if flip else images).numpy()
        return ids

    def _loader(self, split: Split) -> DataLoader[Batch]:
        dataset = self.dataset(split)
        shared = shares(len(dataset), self.pictures.batch_size, *self._ranks())
        batches = [[(number, False) for number in batch] for batch in shared]
        return DataLoader(dataset, batch_sampler=batches, collate_fn=whole)

    def _ranks(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)


class TokenDataset(Dataset[Batch]):
    """Ids by (number, mirrored); a batch is fetched in one call, without work per picture."""

    def __init__(self, ids: np.ndarray[Any, Any], labels: Tensor | None) -> None:
        self.ids, self.labels = ids, labels

    def __len__(self) -> int:
        return len(self.ids)

    def __getitems__(self, keys: list[tuple[int, bool]]) -> Batch:
        numbers, flips = np.array([n for n, _ in keys]), np.array([int(f) for _, f in keys])
        batch = Batch(ids=torch.from_numpy(self.ids[numbers, flips].astype(np.int64)), index=torch.from_numpy(numbers))
        if self.labels is not None:
            batch["label"] = self.labels[batch["index"]]
        return batch
