"""Pictures to files on every rank, as soon as they are made."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from lightgen.sampling import PictureFiles, SampledPictures


class PictureWriter(BasePredictionWriter):
    """Writes what is predicted; after the run, evaluations and draws in `files` are complete on every rank."""

    def __init__(self, files: PictureFiles) -> None:
        super().__init__("batch")
        self.files = files

    def write_on_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, prediction: SampledPictures, *args: Any
    ) -> None:
        self.files.write(prediction)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Each picture was made on one rank, so the sum over ranks puts them together.
        ours = torch.stack([self.files.evaluations, self.files.draws]).to(pl_module.device)
        self.files.evaluations, self.files.draws = torch.as_tensor(trainer.strategy.reduce(ours, reduce_op="sum")).cpu()
