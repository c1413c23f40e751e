"""Changes to logits before a draw. Each takes and returns logits (..., V)."""

from __future__ import annotations

import torch
from torch import Tensor

from lightgen.types import NoiseLevel


def temperature(logits: Tensor, value: float | Tensor) -> Tensor:
    """Divide by a temperature >= 0, which may be a tensor; at 0 all mass goes to the (first) most likely id."""
    if isinstance(value, Tensor):
        return torch.where(value == 0, greedy(logits), logits / value)
    if value == 1.0:
        return logits
    return greedy(logits) if value == 0.0 else logits / value


def greedy(logits: Tensor) -> Tensor:
    """0 at the (first) most likely id, and -inf elsewhere."""
    return torch.full_like(logits, -torch.inf).scatter_(-1, logits.argmax(-1, keepdim=True), 0.0)


def evidence(ids_AN: Tensor, level: NoiseLevel, frequencies_V: Tensor) -> Tensor:
    """(A, N) float64: how much a noisy token speaks for its clean one being the same, in nats; 0 at MASK.

    The clean token is p(x | z_t) = loo(x) q(z_t | x) / sum, where loo is what the other tokens say. With share a kept
    and r replaced by codes of frequency f, log q(z | z) - log q(z | x) = log(1 + a / (r f_z)) for every other x.
    Gourevitch et al., 2026, arXiv 2605.22765, for uniform f.

    Args:
        ids_AN: z_t in [0, V], where V is MASK.
        level: (A,) of the noise.
        frequencies_V: f.
    """
    vocab_size = len(frequencies_V)
    f = frequencies_V[ids_AN.clamp_max(vocab_size - 1)]
    odds = level.kept[:, None] / (level.replaced[:, None] * f).clamp_min(torch.finfo(f.dtype).tiny)
    return torch.log1p(odds).masked_fill(ids_AN == vocab_size, 0.0)


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
