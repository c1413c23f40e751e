"""What a config may call by its path.

jsonargparse calls any function or class that a config names where one is wanted; lightgen calls parts of its own kinds,
and those of torch and Lightning that a training is made of.
"""

from __future__ import annotations

import functools
import inspect
import sys
from typing import Any

from jsonargparse import Namespace

from lightgen.registry import Component


def refuse_strangers(config: Any) -> None:
    """Look at a parsed config, before anything in it is called.

    Raises:
        ValueError: in one line, if it names a function, or a class of another kind.
    """
    if isinstance(config, (Namespace, dict)):
        values = vars(config) if isinstance(config, Namespace) else config
        path = values.get("class_path")
        if isinstance(path, str):
            module, _, name = path.rpartition(".")
            _require(getattr(sys.modules.get(module), name, None), path)
        for value in values.values():
            refuse_strangers(value)
    elif isinstance(config, (list, tuple)):
        for value in config:
            refuse_strangers(value)
    elif inspect.isroutine(config) or inspect.isclass(config):
        _require(config, f"{config.__module__}.{config.__qualname__}")


def _require(named: object, path: str) -> None:
    if not (inspect.isclass(named) and (issubclass(named, Component) or issubclass(named, _of_a_training()))):
        raise ValueError(
            f"a config may not call {path}: it is no component of lightgen, and no optimizer, scheduler, callback or "
            "logger; a plug-in declares its components (CONTRIBUTING.md)"
        )


@functools.cache
def _of_a_training() -> tuple[type, ...]:
    """Kinds of torch and Lightning; most commands name none, and need not wait for it."""
    from lightning.pytorch import Callback
    from lightning.pytorch.accelerators import Accelerator
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.plugins import CheckpointIO, ClusterEnvironment, LayerSync, Precision
    from lightning.pytorch.profilers import Profiler
    from lightning.pytorch.strategies import Strategy
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    return (Optimizer, LRScheduler, Callback, Logger, Profiler, Strategy, Accelerator, CheckpointIO,
            ClusterEnvironment, LayerSync, Precision)  # fmt: skip
