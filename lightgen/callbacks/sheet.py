"""Pictures of a run, where people look for them."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from lightgen.figures import save_png


def show(trainer: Trainer, name: str, sheet: Tensor) -> None:
    """Put a uint8 picture (C, H, W) beside the checkpoint, in place of the one before, and into TensorBoard."""
    if trainer.training or trainer.validating:
        save_png(sheet, Path(trainer.default_root_dir) / f"{name}.png")
    if isinstance(trainer.logger, TensorBoardLogger):
        trainer.logger.experiment.add_image(f"val/{name}", sheet, trainer.global_step)
