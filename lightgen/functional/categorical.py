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


def draw_scored(logits_BNV: Tensor, uniform_BN: Tensor) -> tuple[Tensor, Tensor]:
    """Ids (B, N) as from `draw`, and their log-probabilities (B, N)."""
    probs = torch.softmax(logits_BNV, dim=-1, dtype=torch.float32)
    # The largest probability is exp(largest logit - logsumexp): no second sum over V.
    logsumexp = logits_BNV.amax(-1) - probs.amax(-1).log()
    ids = invert(probs, uniform_BN)
    return ids, logits_BNV.gather(-1, ids.unsqueeze(-1)).squeeze(-1) - logsumexp


def log_probability(logits_BNV: Tensor, ids_BN: Tensor) -> Tensor:
    """(B, N) log-probability of ids under logits."""
    return logits_BNV.gather(-1, ids_BN.unsqueeze(-1)).squeeze(-1) - logits_BNV.logsumexp(-1)


def gumbel(uniform: Tensor) -> Tensor:
    """Standard Gumbel noise of uniforms in (0, 1), in float64: the usual float32 form cuts large values off."""
    return uniform.double().log_().neg_().log_().neg_()


def invert(weights_BNV: Tensor, uniform_BN: Tensor) -> Tensor:
    """Ids (B, N) in proportion to weights, which are used up; an id of weight zero is never drawn."""
    cdf = weights_BNV.cumsum_(-1)
    threshold = uniform_BN.unsqueeze(-1).to(cdf) * cdf[..., -1:]
    ids = torch.searchsorted(cdf, threshold, right=True).squeeze(-1)
    return ids.clamp_max_(weights_BNV.shape[-1] - 1)


def ranks(scores_BN: Tensor, descending: bool = False) -> Tensor:
    """(B, N) the place of each score in its row, from 0 on; of equal scores the first comes first, on every device."""
    return scores_BN.argsort(dim=1, descending=descending, stable=True).argsort(1)
