"""Pictures to files, as soon as they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from lightgen.figures import save_png
from lightgen.modules.sampling import SampledPictures


class PictureWriter(BasePredictionWriter):
    """Writes picture i to `out/00000i.png`; after the run, `evaluations` (num_images,) is complete on every rank."""

    def __init__(self, out: Path, num_images: int) -> None:
        super().__init__("batch")
        self.out = out
        self.evaluations = torch.zeros(num_images, dtype=torch.long)

    def write_on_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, prediction: SampledPictures, *args: Any
    ) -> None:
        for index, image in zip(prediction.index.tolist(), prediction.images.cpu(), strict=True):
            save_png(image, self.out / picture_name(index))
        self.evaluations[prediction.index.cpu()] = prediction.evaluations.cpu()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Each picture was made on one rank, so the sum over ranks puts them together.
        total = trainer.strategy.reduce(self.evaluations.to(pl_module.device), reduce_op="sum")
        self.evaluations = torch.as_tensor(total).cpu()


def picture_name(index: int) -> str:
    """The file name of a picture."""
    return f"{index:06d}.png"
