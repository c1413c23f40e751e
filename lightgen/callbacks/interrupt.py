"""Ctrl-C that loses nothing."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class SaveOnInterrupt(Callback):
    """On Ctrl-C or SIGTERM: finish the batch, save a checkpoint, say where, stop. A second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.interrupted = False
        self._previous: dict[int, Any] = {}

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        # Every rank must agree, or those without the signal would wait for ever.
        if not trainer.strategy.reduce_boolean_decision(self.interrupted, all=False):
            return
        self.interrupted = True
        folder = Path(trainer.log_dir or trainer.default_root_dir)
        path = folder / "interrupted.ckpt"
        trainer.save_checkpoint(path)
        if trainer.is_global_zero:
            print(f"\ninterrupted at step {trainer.global_step}; go on with --ckpt_path {path}", flush=True)
        trainer.should_stop = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.interrupted = True
