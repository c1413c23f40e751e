"""Changes to logits before a draw. Each takes and returns logits (..., V)."""

from __future__ import annotations

import torch
from torch import Tensor


def temperature(logits: Tensor, value: float) -> Tensor:
    """Divide by a temperature >= 0; at 0 all mass goes to the (first) most likely id."""
    if value == 1.0:
        return logits
    if value == 0.0:
        greedy = torch.full_like(logits, -torch.inf)
        return greedy.scatter_(-1, logits.argmax(-1, keepdim=True), 0.0)
    return logits / value


def top_k(logits: Tensor, k: int) -> Tensor:
    """Keep the k most likely ids (and ties of the k-th); the others get -inf (Fan et al., 2018, arXiv 1805.04833)."""
    if k >= logits.shape[-1]:
        return logits
    smallest_kept = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < smallest_kept, -torch.inf)


def top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of most likely ids whose mass reaches p (Holtzman et al., 2020, arXiv 1904.09751)."""
    if p >= 1.0:
        return logits
    descending, order = logits.sort(dim=-1, descending=True)
    mass = descending.softmax(-1)
    mass_before = mass.cumsum(-1) - mass
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, order, mass_before >= p)
    return logits.masked_fill(dropped, -torch.inf)


def typical(logits: Tensor, mass: float) -> Tensor:
    """Keep the ids whose surprise is nearest to the entropy, until their mass reaches a share.

    Meister et al., 2023, "Locally typical sampling", arXiv 2202.00666.
    """
    if mass >= 1.0:
        return logits
    log_probs = logits.log_softmax(-1)
    probs = log_probs.exp()
    entropy = -torch.xlogy(probs, probs).sum(-1, keepdim=True)
    order = (-log_probs - entropy).abs().sort(dim=-1).indices
    sorted_mass = probs.gather(-1, order)
    mass_before = sorted_mass.cumsum(-1) - sorted_mass
    dropped = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, order, mass_before >= mass)
    return logits.masked_fill(dropped, -torch.inf)
