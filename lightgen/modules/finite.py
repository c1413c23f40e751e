"""Updates that would not be finite are not made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

import torch
from torch import Tensor


class FiniteGuard:
    """Skips an update whose loss or gradient is not finite, as if its batch had never been seen.

    Args:
        patience: so many skipped updates in a row end the run.

    Raises:
        ValueError: if `patience` is below 1.
    """

    def __init__(self, patience: int) -> None:
        if patience < 1:
            raise ValueError(f"patience must be at least 1, not {patience}")
        self.patience = patience
        self.skipped = self.in_a_row = 0
        self._losses: Tensor | None = None
        """Finite where all losses seen are."""
        self._before: list[tuple[Tensor, Tensor]] = []

    def remember(self, tensors: Iterable[Tensor]) -> None:
        """Keep what an update's forward passes may change, buffers above all, as it is before the first of them."""
        if not self._before:
            self._before = [(tensor, tensor.detach().clone()) for tensor in tensors]

    def see(self, loss: Tensor) -> None:
        """Take note of a loss that the next update follows, without waiting for its value."""
        loss = loss.detach()
        self._losses = loss if self._losses is None else self._losses + loss

    def allows(self, parameters: Iterable[Tensor]) -> bool:
        """Whether the losses seen and the gradients are finite, on this rank."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        return bool(norm.isfinite() if self._losses is None else (norm + self._losses).isfinite())

    @property
    def running_away(self) -> bool:
        """Whether it is the weights that are at fault: of a single update it may be the batch."""
        return self.in_a_row > 1

    def accept(self) -> None:
        """The update is made."""
        self.in_a_row = 0
        self._forget()

    @torch.no_grad()
    def skip(self, parameters: Iterable[Tensor]) -> None:
        """Drop the gradients, so that optimizers do nothing, and put back what was remembered.

        Raises:
            FloatingPointError: if patience is at its end.
        """
        for parameter in parameters:
            parameter.grad = None
        for tensor, before in self._before:
            tensor.copy_(before)
        self.skipped += 1
        self.in_a_row += 1
        self._forget()
        if self.in_a_row >= self.patience:
            self.stop()

    def stop(self) -> NoReturn:
        """End the run.

        Raises:
            FloatingPointError: in one line.
        """
        raise FloatingPointError(
            f"training ran away: the last {self.in_a_row} updates had a loss or gradient that is not finite and were "
            "not made, and no checkpoint was saved since; try a lower learning rate"
        )

    def _forget(self) -> None:
        self._losses, self._before = None, []
