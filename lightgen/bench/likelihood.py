"""Held-out bits per token of trained priors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from lightgen.data.pictures import Pictures
from lightgen.functional.random import Noise
from lightgen.modules.prior import Conditioned
from lightgen.prior import Prior
from lightgen.processes.likelihood import estimate, full_sum

BATCH = 64
BITS = "bits per token"
"""What a likelihood is called in results."""


@torch.no_grad()
def bits_per_token(prior: Prior, pictures: Pictures, seed: int, whole: bool = False, every: int = 1) -> Tensor | None:
    """(n,) bits per token of each picture, given its class; None for a prior without likelihood.

    Exact for autoregressive priors, an upper bound for diffusions.

    Args:
        prior: in eval mode.
        pictures: held-out ones.
        seed: of the random terms.
        whole: sum over all terms of the bound, instead of estimating it by a random one.
        every: takes only every so many pictures.
    """
    process: Any = prior.process
    if not process.has_likelihood:
        return None
    bound, parts = (full_sum if whole else estimate), []
    for index in torch.arange(0, len(pictures), every).split(BATCH):
        batch = pictures.__getitems__(index.tolist())
        condition, ids = prior.told(batch), prior.encode(batch["image"])
        nats = bound(process, Conditioned(prior.network, condition), ids, Noise(seed, index))
        parts.append(nats / math.log(2) / ids.shape[1])
    return torch.cat(parts)


def mean_and_error(bits: Tensor) -> tuple[float, float]:
    """The mean and its standard error over pictures."""
    return float(bits.mean()), float(bits.std() / len(bits) ** 0.5)
