"""What a run makes, seen between validations."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.callbacks.generation import Generation
from lightgen.callbacks.reconstructions import Reconstructions
from lightgen.modules.prior import PriorModule

log = logging.getLogger(__name__)


class Preview(Callback):
    """Draws `samples.png` or `reconstructions.png` in the folder of the run every so many seconds, and says so.

    The pictures are of the same seed or the same originals each time, by the weights as they are then, not by averaged
    ones. Training goes on as it would without.

    Args:
        every: seconds from one to the next.
        num_images: how many.

    Raises:
        ValueError: if `every` is below 0 or `num_images` below 1.
    """

    def __init__(self, every: float = 60.0, num_images: int = 8) -> None:
        if every < 0:
            raise ValueError(f"every must be at least 0, not {every}")
        self.every = every
        self.drawn_by = (Generation(num_images, num_images), Reconstructions(num_images))
        self._last = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._last = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        due = time.monotonic() - self._last >= self.every
        # Clocks of ranks differ, and pictures are made by all of them together.
        if trainer.should_stop or not trainer.strategy.reduce_boolean_decision(due, all=False):
            return
        with torch.no_grad(), evaluating(pl_module):
            for callback in self.drawn_by:
                callback.on_validation_epoch_end(trainer, pl_module)
        name = "samples" if isinstance(pl_module, PriorModule) else "reconstructions"
        path = Path(trainer.default_root_dir) / f"{name}.png"
        if path.is_file():
            log.info(self.line(trainer, path))
        self._last = time.monotonic()

    def line(self, trainer: Trainer, path: Path) -> str:
        """What is said of a new picture."""
        return f"step {trainer.global_step} of {trainer.max_steps}: {path}"


@contextmanager
def evaluating(module: LightningModule) -> Iterator[None]:
    """Every part in eval mode, and then in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
