"""Weights that are spread over devices by FSDP (Zhao et al., 2023, arXiv 2304.11277), whole for a while."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.strategies import FSDPStrategy
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel


def is_spread(trainer: Trainer) -> bool:
    """Whether the weights of what is trained are spread over the devices."""
    return isinstance(trainer.strategy, FSDPStrategy)


def prepare(trainer: Trainer, what: str, frozen: Iterable[nn.Module] | None) -> None:
    """Before FSDP spreads the weights, leave on every device what is not trained, for it is read at every step.

    Args:
        trainer: without FSDP, nothing is done.
        what: is trained, e.g. `tokenizer`.
        frozen: parts of it; None if its weights are no good in parts.

    Raises:
        ValueError: if they are none, if parts of a network are to be spread apart, or if weights are averaged that
            nobody gathers.
    """
    strategy = trainer.strategy
    if not isinstance(strategy, FSDPStrategy):
        return
    if frozen is None:
        raise ValueError(f"trainer.strategy fsdp spreads the weights of priors; a {what} is trained with ddp")
    if "auto_wrap_policy" in strategy.kwargs:
        raise ValueError("FSDPStrategy takes no auto_wrap_policy here: a loss and a sampler ask for the whole network "
                         "several times in one step")  # fmt: skip
    if any(type(callback) is EMAWeightAveraging for callback in trainer.callbacks):  # type: ignore[attr-defined]
        raise ValueError("trainer.strategy fsdp goes with the callback lightgen.callbacks.EMAWeightAveraging, not with "
                         "lightning.pytorch.callbacks.EMAWeightAveraging, which sees weights in parts")  # fmt: skip
    if strategy.mixed_precision_config is not None:
        # Lightning would round tables of positions and counts to bfloat16.
        strategy.mixed_precision = replace(strategy.mixed_precision_config, buffer_dtype=None)
    strategy.kwargs["ignored_modules"] = [part.to(strategy.root_device) for part in frozen]


def whole_weights(trainer: Trainer) -> AbstractContextManager[Any]:
    """Every device has all weights, and what is written into them stays; all ranks enter and leave together."""
    if not is_spread(trainer) or trainer.strategy.model is None:
        return nullcontext()
    context: AbstractContextManager[Any] = FullyShardedDataParallel.summon_full_params(trainer.strategy.model)
    return context
