"""One algebra for absorbing, uniform and mask-and-replace diffusion, exact for steps of any length.

At a time t a token is kept with share a, masked with share c, and else replaced by a uniformly random code:
q(z_t = k | z_0) = a [k = z_0] + r / V with r = 1 - a - c, and q(MASK) = c. Austin et al., 2021, arXiv 2107.03006, with
absorbing (r = 0), uniform (c = 0) and, as in Gu et al., 2022, arXiv 2111.14822, both.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Level(NamedTuple):
    """How far tokens are destroyed: shares (B,) that are kept and masked; the rest is replaced."""

    kept: Tensor
    masked: Tensor

    @property
    def replaced(self) -> Tensor:
        """(B,) share that is replaced at random."""
        return (1 - self.kept - self.masked).clamp_min(0)


def corrupt(ids_BN: Tensor, level: Level, vocab_size: int, choice_BN: Tensor, codes_BN: Tensor) -> Tensor:
    """Noisy ids (B, N) in [0, V], where V is MASK.

    Args:
        ids_BN: clean ids.
        level: of the noise.
        vocab_size: V.
        choice_BN: uniforms that decide what happens to each token.
        codes_BN: uniformly random codes, for tokens that are replaced.
    """
    kept, masked = level.kept[:, None], level.masked[:, None]
    destroyed = torch.where(choice_BN < kept + masked, vocab_size, codes_BN)
    return torch.where(choice_BN < kept, ids_BN, destroyed)


def posterior(probs_BNV: Tensor, ids_BN: Tensor, earlier: Level, later: Level) -> Tensor:
    """p(z_s | z_t) = sum over z_0 of p(z_0) q(z_s | z_t, z_0), for s before t: probabilities (B, N, V + 1).

    Args:
        probs_BNV: p(z_0), float64 for exactness.
        ids_BN: z_t in [0, V], where V is MASK.
        earlier: the level at s, less noisy.
        later: the level at t.
    """
    vocab_size = probs_BNV.shape[-1]
    tiny = torch.finfo(probs_BNV.dtype).tiny
    a_s, c_s, b_s = _shares(earlier, vocab_size)
    a_t, c_t, b_t = _shares(later, vocab_size)
    alpha = a_t / a_s
    # From s to t an unmasked token becomes masked with share gamma, and each code with share beta besides.
    gamma = 1 - (1 - c_t) / (1 - c_s)
    beta = (1 - alpha - gamma).clamp_min(0) / vocab_size
    masked = (a_s * probs_BNV + b_s) * (gamma / c_t.clamp_min(tiny))
    masked = torch.cat([masked, (c_s / c_t.clamp_min(tiny)).expand(*ids_BN.shape, 1)], -1)
    here = torch.nn.functional.one_hot(ids_BN.clamp_max(vocab_size - 1), vocab_size).to(probs_BNV)
    weight = probs_BNV / (a_t * here + b_t).clamp_min(tiny)
    moved = (alpha * here + beta) * (b_s * weight.sum(-1, keepdim=True) + a_s * weight)
    # Without replacement a token that is not masked is the clean one, and stays.
    moved = torch.where(b_t > 0, moved, here)
    unmasked = torch.cat([moved, torch.zeros_like(moved[..., :1])], -1)
    return torch.where((ids_BN == vocab_size).unsqueeze(-1), masked, unmasked)


def _shares(level: Level, vocab_size: int) -> tuple[Tensor, Tensor, Tensor]:
    kept, masked, replaced = (x[:, None, None] for x in (level.kept, level.masked, level.replaced))
    return kept, masked, replaced / vocab_size
