"""Modules that are made to be filled: their first weights are not drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

FILLED = {Tensor.uniform_, Tensor.normal_, init.uniform_, init.normal_, init.kaiming_uniform_}
"""What draws into a tensor; the others of `torch.nn.init` call these."""
MADE = {torch.rand, torch.randn}


@contextmanager
def undrawn() -> Iterator[None]:
    """Within, random initial weights are whatever the memory holds, and torch's generator stands still.

    All else is computed as ever, so that a buffer which no state dict has, e.g. a table of frequencies, is right.
    """
    # What is not among the functions above still draws, but nobody sees it.
    with torch.random.fork_rng(devices=[]), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in FILLED:
            return args[0] if args else kwargs["tensor"]
        return (torch.empty if func in MADE else func)(*args, **kwargs)
