"""Which of Lightning's precisions go with lightgen's modules."""

from __future__ import annotations

from lightning.pytorch import Trainer

PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")


def require_precision(trainer: Trainer) -> None:
    """Refuse precisions that change the type of the weights: random numbers, pictures and levels of noise stay float.

    Raises:
        ValueError: in one line that names those that are possible.
    """
    if trainer.precision not in PRECISIONS:
        raise ValueError(f"trainer.precision must be one of {', '.join(PRECISIONS)}, not {trainer.precision}")
