"""Checkpoints where people look for them."""

from __future__ import annotations

import itertools
import logging
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lightgen.modules.base import TrainingModule

log = logging.getLogger(__name__)


class Checkpoints(ModelCheckpoint):
    """Keeps the newest state of a run as `last.ckpt` in its folder (`trainer.default_root_dir`).

    The last batch is always saved, also when a run is stopped early or interrupted. Weights that run away are not: what
    was saved before stays. A run that begins anew in the folder of another keeps what that one left as `earlier.ckpt`,
    or `earlier-2.ckpt`, ...

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
        self._saved: Path | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.dirpath = str(Path(trainer.default_root_dir))
        super().setup(trainer, pl_module, stage)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        path = last_checkpoint(trainer)
        if trainer.global_step == 0 and trainer.is_global_zero and path.exists():
            kept = next(name for name in _earlier(path.parent) if not name.exists())
            path.replace(kept)
            log.warning(f"there is a checkpoint of an earlier run in {path.parent}, which is now {kept.name}; "
                        "to go on with a run, give its checkpoint with --ckpt_path")  # fmt: skip

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        if isinstance(pl_module, TrainingModule) and pl_module.guard.running_away:
            return
        super().on_train_batch_end(trainer, pl_module, *args, **kwargs)
        # Here and not at the end of training, where Lightning counts a cut-off epoch as a whole one.
        if trainer.should_stop or trainer.global_step == trainer.max_steps:
            self._save_last_state(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_validation_end(trainer, pl_module)
        # A validation may end a run, by an interruption or because scores get no better.
        if trainer.should_stop:
            self._save_last_state(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if self._saved is not None:
            log.info(f"saved {self._saved}")

    def _save_last_state(self, trainer: Trainer) -> None:
        self._saved = last_checkpoint(trainer)
        if self._last_global_step_saved != trainer.global_step or not self._saved.exists():
            self._last_global_step_saved = trainer.global_step
            trainer.save_checkpoint(self._saved)


def last_checkpoint(trainer: Trainer) -> Path:
    """Where a run keeps its newest state."""
    return Path(trainer.default_root_dir) / "last.ckpt"


def _earlier(folder: Path) -> Any:
    yield folder / "earlier.ckpt"
    for number in itertools.count(2):
        yield folder / f"earlier-{number}.ckpt"
