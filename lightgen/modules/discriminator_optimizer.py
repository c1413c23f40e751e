"""The second optimizer of adversarial training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch.strategies import Strategy
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class DiscriminatorOptimizer:
    """Optimizer and schedule of a discriminator, beside those of the tokenizer that Lightning runs.

    Lightning's automatic optimisation knows one optimizer. That is kept for the tokenizer, so that everything a Trainer
    counts, clips, accumulates or averages means what it says; the discriminator follows in its hooks, by this object.
    Gradients are averaged over ranks here, since DDP waits for every parameter in every backward pass.

    Args:
        optimizer: of the discriminator's parameters.
        scheduler: of the optimizer's learning rate; advances with each update.
        buffers: moving averages of the discriminator's side, which are kept alike on all ranks.
        strategy: of the trainer.
    """

    def __init__(
        self, optimizer: Optimizer, scheduler: LRScheduler | None, buffers: Iterable[Tensor], strategy: Strategy
    ) -> None:
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.buffers = list(buffers)
        self.strategy = strategy
        # Of float16 training. What it scales and finds is the same on all parts of an update.
        self.scaler: torch.amp.GradScaler | None = getattr(strategy.precision_plugin, "scaler", None)

    @property
    def parameters(self) -> list[Tensor]:
        """All that the optimizer trains."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def gather(self) -> None:
        """Bring the gradients to their true scale; average them and the buffers over ranks."""
        if self.scaler is not None and self._has_gradients():
            self.scaler.unscale_(self.optimizer)
        for parameter in self.parameters:
            if parameter.grad is not None:
                parameter.grad = self.average(parameter.grad)
        for buffer in self.buffers:
            buffer.copy_(self.average(buffer))

    def average(self, tensor: Tensor) -> Tensor:
        """The mean of a tensor over ranks."""
        averaged: Tensor = self.strategy.reduce(tensor, reduce_op="mean")
        return averaged

    def step(self) -> None:
        """Update; without gradients only the schedule advances."""
        if self.scaler is not None and self._has_gradients():
            self.scaler.step(self.optimizer)
        else:
            self.optimizer.step()
        self.optimizer.zero_grad()
        if self.scheduler is not None:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs."""
        scheduler = None if self.scheduler is None else self.scheduler.state_dict()
        return {"optimizer": self.optimizer.state_dict(), "scheduler": scheduler}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])

    def _has_gradients(self) -> bool:
        return any(parameter.grad is not None for parameter in self.parameters)
