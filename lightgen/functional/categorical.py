"""Draws from categorical distributions."""

from __future__ import annotations

import torch
from torch import Tensor


def draw(logits_BNV: Tensor, uniform_BN: Tensor) -> Tensor:
    """Ids (B, N) ~ Categorical(softmax(logits)) by inverting the cumulative distribution.

    One uniform in (0, 1) per token, so noise costs O(B N) and not O(B N V) as the Gumbel-max trick does.
    An id of probability zero (logit -inf) is never drawn.
    """
    return invert(torch.softmax(logits_BNV, dim=-1, dtype=torch.float32), uniform_BN)


def invert(weights_BNV: Tensor, uniform_BN: Tensor) -> Tensor:
    """Ids (B, N) in proportion to weights, which are used up; an id of weight zero is never drawn."""
    cdf = weights_BNV.cumsum_(-1)
    threshold = uniform_BN.unsqueeze(-1).to(cdf) * cdf[..., -1:]
    ids = torch.searchsorted(cdf, threshold, right=True).squeeze(-1)
    return ids.clamp_max_(weights_BNV.shape[-1] - 1)
