"""Figures that several studies print: bits per token of ids that are told something, PSNR, a mean and its error."""

from __future__ import annotations

import math
from typing import Any

import torch
from priors import BATCH
from torch import Tensor

from lightgen.bench.likelihood import mean_and_error
from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.modules.prior import Conditioned
from lightgen.networks.base import Network
from lightgen.processes.likelihood import estimate


@torch.no_grad()
def bits(process: Any, network: Network, ids: Tensor, told: Condition, terms: int = 1) -> Tensor:
    """(n,) bits per token of ids (n, N), the mean of so many random terms, which are the same whatever is told."""
    parts = []
    for rows in torch.arange(len(ids)).split(BATCH):
        bound = Conditioned(network, told.select(rows))
        drawn = [estimate(process, bound, ids[rows], Noise(term, rows)) for term in range(terms)]
        parts.append(torch.stack(drawn).mean(0))
    return torch.cat(parts) / math.log(2) / ids.shape[1]


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """(n,) dB of uint8 pictures (n, C, H, W)."""
    return -10 * ((images.float() - truth.float()) / 255).square().mean((1, 2, 3)).clamp_min(1e-10).log10()


def spread(values: Tensor, digits: int = 3) -> str:
    """Mean and standard error over pictures."""
    mean, error = mean_and_error(values)
    return f"{mean:.{digits}f} ± {error:.{digits}f}"
