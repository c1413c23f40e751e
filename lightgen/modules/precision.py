"""Which of Lightning's precisions go with lightgen's modules."""

from __future__ import annotations

import warnings

import torch
from lightning.pytorch import Trainer

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
WITHOUT_BFLOAT16 = ("DEFAULT", "AVX2")
"""What torch calls the kinds of CPU on which it works narrow numbers out one at a time."""


def require_precision(trainer: Trainer) -> None:
    """Refuse precisions that change the type of the weights: random numbers, pictures and levels of noise stay float.

    Where a narrow one is slow, a warning says so.

    Raises:
        ValueError: in one line that names those that are possible.
    """
    if trainer.precision not in PRECISIONS:
        raise ValueError(f"trainer.precision must be one of {', '.join(PRECISIONS)}, not {trainer.precision}")
    narrow = trainer.precision != "32-true" and trainer.strategy.root_device.type == "cpu"
    if narrow and torch.backends.cpu.get_cpu_capability() in WITHOUT_BFLOAT16:
        warnings.warn(f"this CPU has no bfloat16, and {trainer.precision} takes it several times as long as 32-true: "
                      "leave --trainer.precision out", stacklevel=2)  # fmt: skip
