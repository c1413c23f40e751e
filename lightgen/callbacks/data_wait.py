"""How fast training is, and how much of its time goes into waiting for data."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.data.loader import TimedLoader

log = logging.getLogger(__name__)

NUM_RECENT = 50
"""Batches that the speed is measured over."""


class DataWait(Callback):
    """Logs `train/data_wait`: of the seconds spent on batches since the run began, the share spent waiting for them,
    and `train/steps_per_second`, over the last batches.

    Validation and checkpoints count as neither. A loader that is not lightgen's is not measured.
    """

    def __init__(self) -> None:
        self.spent: deque[float] = deque(maxlen=NUM_RECENT + 1)
        self.worked = 0.0
        self.began = 0.0

    def on_train_start(self, *args: Any) -> None:
        self.worked = 0.0
        self.spent.clear()

    def on_train_batch_start(self, *args: Any) -> None:
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        self.worked += time.perf_counter() - self.began
        if isinstance(trainer.train_dataloader, TimedLoader):
            pl_module.log("train/data_wait", self.share(trainer.train_dataloader))
            self.spent.append(trainer.train_dataloader.waited + self.worked)
            if (batches := len(self.spent) - 1) > 0:
                steps = batches / trainer.accumulate_grad_batches
                pl_module.log("train/steps_per_second", steps / (self.spent[-1] - self.spent[0]))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if isinstance(trainer.train_dataloader, TimedLoader) and self.worked:
            log.info(f"waited for data {self.share(trainer.train_dataloader):.2%} of the training time")

    def share(self, loader: TimedLoader) -> float:
        """Seconds waited over seconds waited or worked."""
        return loader.waited / (loader.waited + self.worked)
