"""Checkpoints where people look for them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

log = logging.getLogger(__name__)


class Checkpoints(ModelCheckpoint):
    """Keeps the newest state of a run as `last.ckpt` in its folder (`trainer.default_root_dir`).

    The last batch is always saved, also when a run is stopped early or interrupted. A run that begins anew in the
    folder of another keeps what that one left as `earlier.ckpt`.

    Args:
        every_n_train_steps: how often.
    """

    def __init__(self, every_n_train_steps: int = 1000) -> None:
        super().__init__(
            filename="last",
            every_n_train_steps=every_n_train_steps,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
        )

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.dirpath = str(Path(trainer.default_root_dir))
        super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        path = last_checkpoint(trainer)
        if trainer.global_step == 0 and trainer.is_global_zero and path.is_file():
            kept = path.with_name("earlier.ckpt")
            path.replace(kept)
            log.warning(f"there is a checkpoint of an earlier run in {path.parent}, which is now {kept.name}; "
                        "to go on with a run, give its checkpoint with --ckpt_path")  # fmt: skip

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        super().on_train_batch_end(trainer, *args, **kwargs)
        # Here and not at the end of training, where Lightning counts a cut-off epoch as a whole one.
        if trainer.should_stop or trainer.global_step == trainer.max_steps:
            path = last_checkpoint(trainer)
            if self._last_global_step_saved != trainer.global_step or not path.is_file():
                trainer.save_checkpoint(path)
            log.info(f"saved {path}")


def last_checkpoint(trainer: Trainer) -> Path:
    """Where a run keeps its newest state."""
    return Path(trainer.default_root_dir) / "last.ckpt"
