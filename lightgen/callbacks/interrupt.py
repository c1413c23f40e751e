"""Ctrl-C that loses nothing."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopOnInterrupt(Callback):
    """On Ctrl-C or SIGTERM: finish the step, let `Checkpoints` save it, stop. A second Ctrl-C stops at once.

    A validation that is going on ends with its batch, and none is begun: `trainer.limit_val_batches` is 0 then.
    """

    def __init__(self) -> None:
        self.received = False
        """Whether this process got a signal."""
        self.stopped = False
        """Whether all ranks stop because one of them did."""
        self.training = False
        """Whether the first step was reached."""
        self._previous: dict[int, Any] = {}
        self._shared_batches = 0.0

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._previous = {number: signal.getsignal(number) for number in SIGNALS}
        self._listen()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # Again, since Lightning has put a handler of its own before this one. It waits inside the handler for the other
        # ranks, which wait in turn for this one.
        self._listen()
        self.training = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        # Checkpoints hold no gradients, so a step that gathers those of several batches is finished first.
        if not (batch_idx + 1) % trainer.accumulate_grad_batches or trainer.is_last_batch:
            self._stop_if_any(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.training:
            mine = torch.tensor(float(sum(trainer.num_val_batches)), device=pl_module.device)
            self._shared_batches = float(trainer.strategy.reduce(mine, reduce_op="min"))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        # Ranks may hold different numbers of batches, and can agree only where all have one.
        if batch_idx < self._shared_batches and self._stop_if_any(trainer):
            # This is how Lightning's loop learns that there are no more batches.
            raise StopIteration

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.training:
            self._stop_if_any(trainer)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.restore()

    def restore(self) -> None:
        """Give signals back to whoever had them. After an exception Lightning does not call `teardown`."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _listen(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._note)

    def _stop_if_any(self, trainer: Trainer) -> bool:
        # Every rank must agree, or those without the signal would wait for ever.
        if not trainer.strategy.reduce_boolean_decision(self.received, all=False):
            return False
        self.stopped = trainer.should_stop = True
        # Lightning would validate before it stops.
        trainer.limit_val_batches = 0
        return True

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.received = True
        # From a thread of its own, since a handler may come in the middle of another line.
        threading.Thread(target=log.info, args=("interrupted: saving after this step",)).start()


def received(trainer: Trainer) -> bool:
    """Whether this process of a training run got a signal."""
    return any(isinstance(callback, StopOnInterrupt) and callback.received for callback in trainer.callbacks)  # type: ignore[attr-defined]


def interrupted(trainer: Trainer) -> bool:
    """Whether any process of it did. Every rank must ask."""
    return trainer.strategy.reduce_boolean_decision(received(trainer), all=False)
