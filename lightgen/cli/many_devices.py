"""Pictures on the devices of Lightning's Trainer, as its options choose them."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Trainer

from lightgen.callbacks.writer import PictureWriter
from lightgen.cli.output import set_up_output
from lightgen.modules.sampling import SamplingModule, indices
from lightgen.sampling import PictureFiles, Sampling

TRAINER_DEFAULTS = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
                    "enable_model_summary": False, "barebones": False}  # fmt: skip


def add_trainer(made: Any) -> None:
    """All options of the trainer of a command that makes pictures."""
    # Lightning has just been imported, and says so.
    set_up_output()
    made.add_class_arguments(Trainer, "trainer", instantiate=False)
    made.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})


class ManyDevices:
    """Those of a trainer with some options; each of its processes makes a share of the pictures."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.trainer = Trainer(**options)

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        return self.trainer.world_size

    @property
    def is_first(self) -> bool:
        """Whether this process speaks for all."""
        return self.trainer.is_global_zero

    @property
    def precision(self) -> str:
        """What the networks compute in, in Lightning's word."""
        return str(self.trainer.precision)

    @property
    def device(self) -> torch.device:
        """That of this process."""
        return self.trainer.strategy.root_device

    def make(self, sampling: Sampling, files: PictureFiles, batch_size: int) -> None:
        """Make the pictures through the trainer's predict loop, and write them."""
        self.trainer.callbacks.append(PictureWriter(files))  # type: ignore[attr-defined]
        loader = indices(len(files.evaluations), batch_size)
        self.trainer.predict(SamplingModule(sampling), loader, return_predictions=False)
