"""Ids instead of pictures: what feeds a prior from a token cache."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from lightgen.checkpoint import fingerprint
from lightgen.conditioners.picture_ids import PictureIds
from lightgen.data.base import SPLITS, ImageData, Split
from lightgen.data.collection import texts_of
from lightgen.data.encode import encode
from lightgen.data.index import ids_of, require_kept
from lightgen.data.loader import TrainLoader, shares, whole
from lightgen.data.order import TrainOrder
from lightgen.data.reference import References
from lightgen.data.text_features import TextFeatures, frozen_encoder, name_of
from lightgen.data.token_cache import Header, TokenCache, read_header
from lightgen.data.token_dataset import TokenDataset, Views, plain
from lightgen.functional.likeness import NEIGHBOURS, PICTURE
from lightgen.functional.random import Noise, Stream
from lightgen.labels import LABEL
from lightgen.layout import Layout
from lightgen.prior import Prior
from lightgen.registry import Component
from lightgen.types import Batch

log = logging.getLogger(__name__)


class CachedTokens(LightningDataModule, Component):
    """The ids of a data set, from a token cache: a folder that `lightgen encode` made, or that is made on first use.

    Splits, seed, mirroring and conditions are those of the cache. The ids must be of the tokenizer of the prior that is
    trained. In each epoch a picture is seen in one of its views, in the same order as without a cache.

    Where the prior's text encoder is frozen, and the cache has its features of the captions, batches have those as
    "caption", (B, L, C) float32 with zeros behind, in place of bytes. A cache that is made on first use has them.

    A prior with `Neighbours` is told those of each picture, where the cache has an index; one with `Picture`, another
    picture of the same identity, or a part of the same one (see `lightgen.data.reference`).

    Args:
        cache: the folder.
        data: the pictures. With them the cache is made, or completed, when it is needed, and samples can be scored
            against held-out pictures; without them a complete cache still trains a prior.
        batch_size: per rank.
        coarse: the folder of a complete cache of the same pictures by the tokenizer of a coarser prior, whose ids are a
            condition of these (see `LowResolution`).

    Raises:
        ValueError: if there is neither a cache nor `data`, or a cache is of another tokenizer, text encoder or other
            pictures, incomplete, damaged or without as many neighbours.
    """

    kind: ClassVar[str] = "data"
    source: ClassVar[str] = "ids of any other data, encoded once"

    def __init__(
        self, cache: str, data: ImageData | None = None, batch_size: int = 32, coarse: str | None = None
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.folder, self.pictures, self.batch_size = Path(cache), data, batch_size
        self._cache: TokenCache | None = TokenCache(self.folder) if data is None else None
        self.coarse = None if coarse is None else TokenCache(Path(coarse))
        self._features: TextFeatures | None = None
        self._others: dict[str, int] = {}

    @property
    def cache(self) -> TokenCache:
        """The cache; with `data`, `prepare_data` must have run."""
        if self._cache is None:
            self._cache = TokenCache(self.folder)
        return self._cache

    @property
    def class_names(self) -> list[str]:
        """Names of the classes, in the order of their ids; empty without labels."""
        return self.cache.header.categories.get(LABEL, [])

    @property
    def conditions(self) -> dict[str, list[str]]:
        """See `ImageData.conditions`; neighbours too, where there is an index."""
        if self.pictures is None:
            header: Header | None = self.cache.header
            told = self.cache.header.described()
        else:
            # The cache may not be made yet.
            found, told = read_header(self.folder), self.pictures.conditions
            header = None if found is None else found[0]
        return told | ({NEIGHBOURS: []} if header is not None and header.index else {})

    @property
    def level(self) -> tuple[Layout | None, str | None]:
        """Where the coarser ids stand, and the fingerprint of their tokenizer, where there are some."""
        return (None, None) if self.coarse is None else (self.coarse.header.layout, self.coarse.header.tokenizer)

    def prepare_data(self) -> None:
        # Lightning runs this on one process of each node; the others wait.
        if self.pictures is None:
            return
        prior, found = self._prior(), read_header(self.folder)
        tokenizer, text_encoder = prior.tokenizer, frozen_encoder(prior.network)
        num_crops = found[0].num_crops if found else 0
        if self.coarse is not None:
            names = {split: self.pictures.dataset(split).names for split in SPLITS}
            views = {"num_crops": num_crops, "mirror": self.pictures.mirror, "seed": self.pictures.seed}
            self.coarse.require_pictures(self.folder, names, **views)
        if "captions" not in self.pictures.collection.conditions:
            text_encoder = None
        if self.trainer is not None and self.trainer.strategy.root_device.type != "cpu":
            tokenizer, text_encoder = copy.deepcopy((tokenizer, text_encoder))
            tokenizer = tokenizer.to(self.trainer.strategy.root_device)
        encode(self.folder, tokenizer, self.pictures, num_crops, text_encoder=text_encoder)

    def setup(self, stage: str) -> None:
        header, prior = self.cache.header, self._prior()
        header.require(self.folder, tokenizer=fingerprint(prior.tokenizer))
        if self.coarse is not None and self.pictures is None:
            names = {split: self.cache.names(split) for split in SPLITS}
            views = {name: getattr(header, name) for name in ("num_crops", "mirror", "seed")}
            self.coarse.require_pictures(self.folder, names, **views)
        encoder = frozen_encoder(prior.network)
        if encoder is not None and header.texts is not None:
            header.require(self.folder, texts={**header.texts, "encoder": name_of(encoder)})
            self._features = self.cache.text_features()
        for part in [] if prior.network.conditioner is None else prior.network.conditioner.modules():
            if isinstance(part, PictureIds):
                self._others[part.names[0]] = part.num
        if NEIGHBOURS in self._others:
            require_kept(self.cache, self._others[NEIGHBOURS])
        counts = ", ".join(f"{count} {split}" for split, count in header.counts.items())
        log.info(f"token cache {self.folder}: ids of {counts} pictures of {header.origin.get('title', 'unknown data')}")
        if self.pictures is None:
            log.info("there are no pictures beside the cache, so samples are not scored against held-out ones")

    def state_dict(self) -> dict[str, Any]:
        """What checkpoints remember: whose ids a prior was trained on."""
        return {"tokenizer": self.cache.header.tokenizer}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuse to go on with the ids of another tokenizer."""
        self.cache.header.require(self.folder, **state_dict)

    def train_dataloader(self) -> TrainLoader:
        dataset, header = self.dataset("train"), self.cache.header
        order = TokenOrder(len(dataset), self.batch_size, header.seed, *self._ranks(), mirror=header.mirror)
        order.num_crops, _ = header.views("train")
        return TrainLoader(dataset, order, num_workers=0)

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._loader("val")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def predict_dataloader(self) -> DataLoader[Batch]:
        return self._loader("test")

    def dataset(self, split: Split) -> TokenDataset:
        """One split; its files are checked when it is first asked for."""
        dataset = self.cache.dataset(split)
        if self.coarse is not None:
            dataset.coarse = self.coarse.dataset(split)
        if PICTURE in self._others:
            dataset.others[PICTURE] = References(dataset, self.cache.names(split), self.cache.header.seed)
        if NEIGHBOURS in self._others:
            table = torch.from_numpy(self.cache.neighbours(split)[:, : self._others[NEIGHBOURS]])
            memory = self.cache.dataset("train")
            dataset.others[NEIGHBOURS] = lambda numbers: ids_of(memory, table[numbers])
        return dataset

    def train_captions(self) -> list[str]:
        """All captions of the training pictures, and texts of their boxes; empty without any."""
        return texts_of(self.dataset("train").conditions)

    def _loader(self, split: Split) -> DataLoader[Batch]:
        dataset = self.dataset(split)
        shared = shares(len(dataset), self.batch_size, *self._ranks())
        views = [plain(torch.tensor(numbers)) for numbers in shared]
        return DataLoader(dataset, batch_sampler=views, collate_fn=whole, pin_memory=torch.cuda.is_available())  # type: ignore[arg-type]

    def _ranks(self) -> tuple[int, int]:
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)

    def on_before_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Features in place of captions, once one of them is drawn."""
        if self._features is not None:
            batch["condition"]["caption"] = self._features(batch["condition"]["caption"])
        return batch

    def _prior(self) -> Prior:
        module = self.trainer.lightning_module if self.trainer else None
        prior = getattr(module, "prior", None)
        if not isinstance(prior, Prior):
            raise ValueError(f"CachedTokens is for training a prior, not for {type(module).__name__}")
        return prior


class TokenOrder(TrainOrder):
    """A training order in tensors, with one of `num_crops` crops of each picture, another in each epoch."""

    num_crops: int = 1
    """How many there are."""

    def __iter__(self) -> Iterator[Views]:  # type: ignore[override]
        epoch = self.epoch
        for numbers, mirrored in self.batches():
            crops = Noise(self.seed, numbers).integers(epoch, Stream.CROP, 1, self.num_crops).squeeze(1)
            yield numbers, crops, mirrored.long()
