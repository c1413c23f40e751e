"""Types of the optimizer and schedule arguments, and the usual schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

OptimizerFactory = Callable[[Iterable[Tensor]], Optimizer]
SchedulerFactory = Callable[[Optimizer], LRScheduler]


class WarmupCosine(LambdaLR):
    """Linear warm-up, then half a cosine down to a fraction of the peak.

    Loshchilov and Hutter, 2017, arXiv 1608.03983.

    Args:
        optimizer: its learning rate is the peak.
        warmup_steps: batches until the peak.
        total_steps: batches until the end of the cosine; None takes the trainer's, and stays at the peak where it has
            no end.
        final_fraction: of the peak, at the end, in [0, 1]; 1 stays at the peak.

    Raises:
        ValueError: if `total_steps` is not above `warmup_steps`, or `final_fraction` is out of range.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        warmup_steps: int = 0,
        total_steps: int | None = None,
        final_fraction: float = 0.0,
    ) -> None:
        if total_steps is not None and total_steps <= warmup_steps:
            raise ValueError(f"total_steps must be above warmup_steps ({warmup_steps}), not {total_steps}")
        if not 0 <= final_fraction <= 1:
            raise ValueError(f"final_fraction must be in [0, 1], not {final_fraction}")
        self.total_steps: float = math.inf if total_steps is None else total_steps

        def factor(step: int) -> float:
            if step < warmup_steps:
                return (step + 1) / (warmup_steps + 1)
            if math.isinf(self.total_steps):
                return 1.0
            progress = min(1.0, (step - warmup_steps) / max(1.0, self.total_steps - warmup_steps))
            return final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2

        super().__init__(optimizer, factor)

    def state_dict(self) -> dict[str, Any]:
        """Without the end, which is that of the run that goes on."""
        return {name: value for name, value in super().state_dict().items() if name != "total_steps"}

    def follow(self, total_steps: float) -> None:
        """Take the end of the training, unless one was given."""
        if math.isinf(self.total_steps):
            self.total_steps = total_steps
