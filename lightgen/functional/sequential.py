"""The mean of several losses at the memory of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

Terms = Callable[[], Iterator[Tensor]]
"""Makes scalar losses one after the other; a term may depend on detached results of the ones before."""


def sequential_mean(terms: Terms, parameters: Iterable[Tensor], count: int) -> Tensor:
    """The mean of `count` losses as one scalar whose `backward` reaches `parameters`.

    Each term is differentiated as soon as it is made, so that one graph at a time is alive. To autograd the
    result is a single node on the parameters: accumulation, clipping and the hooks of DDP work as usual.
    """
    wanted = [p for p in parameters if p.requires_grad]
    # A gradient scaler multiplies the loss before backward; small float16 gradients made here would be lost.
    scaled = torch.is_autocast_enabled() and torch.get_autocast_dtype("cuda") == torch.float16
    if not wanted or not torch.is_grad_enabled() or scaled:
        return torch.stack(list(terms())).mean()
    mean: Tensor = _SequentialMean.apply(terms, count, *wanted)
    return mean


class _SequentialMean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, terms: Terms, count: int, *parameters: Tensor) -> Tensor:
        total = torch.zeros((), device=parameters[0].device)
        gradients: list[Tensor | None] = [None] * len(parameters)
        with torch.enable_grad():
            for term in terms():
                total += term.detach()
                new = torch.autograd.grad(term / count, parameters, allow_unused=True)
                gradients = [_add(old, grad) for old, grad in zip(gradients, new, strict=True)]
                del term, new
        ctx.gradients = gradients
        return total / count

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        gradients = ctx.gradients
        # Without the context's reference, autograd takes the tensors as they are instead of copying them.
        del ctx.gradients
        return None, None, *(None if g is None else g.mul_(grad_outputs[0]) for g in gradients)


def _add(old: Tensor | None, new: Tensor | None) -> Tensor | None:
    if old is None or new is None:
        return new if old is None else old
    return old.add_(new)
