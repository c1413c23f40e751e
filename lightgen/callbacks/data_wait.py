"""How much of the training time goes into waiting for data."""

from __future__ import annotations

import logging
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.data.loader import TrainLoader

log = logging.getLogger(__name__)


class DataWait(Callback):
    """Logs `train/data_wait`: of the seconds spent on batches since the run began, the share spent waiting for them.

    Validation and checkpoints count as neither. A loader that is not lightgen's is not measured.
    """

    def __init__(self) -> None:
        self.worked = 0.0
        self.began = 0.0

    def on_train_start(self, *args: Any) -> None:
        self.worked = 0.0

    def on_train_batch_start(self, *args: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.worked += time.perf_counter() - self.began
        if isinstance(trainer.train_dataloader, TrainLoader):
            pl_module.log("train/data_wait", self.share(trainer.train_dataloader))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if isinstance(trainer.train_dataloader, TrainLoader) and self.worked:
            log.info(f"waited for data {self.share(trainer.train_dataloader):.2%} of the training time")

    def share(self, loader: TrainLoader) -> float:
        """Seconds waited over seconds waited or worked."""
        return loader.waited / (loader.waited + self.worked)
