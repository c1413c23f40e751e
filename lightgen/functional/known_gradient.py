"""Losses that are differentiated as soon as they are made, so that no part of them is walked back through twice."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def with_gradient(loss: Tensor, tensor: Tensor, gradient: Tensor) -> Tensor:
    """A loss whose gradient by a tensor is known; the gradient goes on from there to what the tensor depends on.

    Args:
        loss: a scalar.
        tensor: of any shape.
        gradient: of the loss, by the tensor: as large.
    """
    found: Tensor = _Known.apply(loss.detach(), tensor, gradient)
    return found


class _Known(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loss: Tensor, tensor: Tensor, gradient: Tensor) -> Tensor:
        ctx.save_for_backward(gradient)
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[None, Tensor, None]:
        return None, grads[0] * ctx.saved_tensors[0], None
