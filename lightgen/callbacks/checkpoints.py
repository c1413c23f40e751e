"""Checkpoints where people look for them."""

from __future__ import annotations

from pathlib import Path

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class Checkpoints(ModelCheckpoint):
    """Keeps `last.ckpt` in the run's folder (`trainer.default_root_dir`), and the best by a monitored value.

    Args:
        every_n_train_steps: how often.
        monitor: a logged value, e.g. `val/loss`; None keeps the last only.
        mode: whether the monitored value should be small (`min`) or large (`max`).
    """

    def __init__(self, every_n_train_steps: int = 1000, monitor: str | None = None, mode: str = "min") -> None:
        super().__init__(
            filename="best" if monitor else "last",
            monitor=monitor,
            mode=mode,
            save_last=True if monitor else None,
            save_top_k=1,
            every_n_train_steps=every_n_train_steps,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.dirpath = str(Path(trainer.default_root_dir))
        super().setup(trainer, pl_module, stage)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        path = Path(self.dirpath or ".") / "last.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            print(f"saved {path}")
