"""One algebra for absorbing, uniform and mask-and-replace diffusion, exact for steps of any length.

At a time t a token is kept with share a, masked with share c, and else replaced, with share r = 1 - a - c, by a code
drawn from frequencies f: q(z_t = k | z_0) = a [k = z_0] + r f_k, and q(MASK) = c. Austin et al., 2021,
arXiv 2107.03006, with absorbing (r = 0), uniform (c = 0) and, as in Gu et al., 2022, arXiv 2111.14822, both.

From s to a later t an unmasked token is kept with share alpha, masked with gamma, replaced with beta.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lightgen.types import NoiseLevel


class Transition(NamedTuple):
    """What happens to an unmasked token between two levels; the three shares add up to 1."""

    alpha: Tensor
    gamma: Tensor
    beta: Tensor


def transition(earlier: NoiseLevel, later: NoiseLevel) -> Transition:
    """Shares (B,) of unmasked tokens that are kept, masked and replaced on the way from one level to a later one."""
    alpha = later.kept / earlier.kept
    gamma = 1 - (1 - later.masked) / (1 - earlier.masked)
    return Transition(alpha, gamma, (1 - alpha - gamma).clamp_min(0))


def corrupt(ids_BN: Tensor, level: NoiseLevel, vocab_size: int, choice_BN: Tensor, codes_BN: Tensor) -> Tensor:
    """Noisy ids (B, N) in [0, V], where V is MASK.

    Args:
        ids_BN: clean ids; any that are MASK stay so.
        level: of the noise.
        vocab_size: V.
        choice_BN: uniforms that decide what happens to each token.
        codes_BN: random codes, for tokens that are replaced.
    """
    kept, masked = level.kept[:, None], level.masked[:, None]
    destroyed = torch.where(choice_BN < kept + masked, vocab_size, codes_BN)
    return torch.where((choice_BN < kept) | (ids_BN == vocab_size), ids_BN, destroyed)


def posterior(
    probs_BNV: Tensor, ids_BN: Tensor, earlier: NoiseLevel, later: NoiseLevel, frequencies_V: Tensor
) -> Tensor:
    """p(z_s | z_t) = sum over z_0 of p(z_0) q(z_s | z_t, z_0), for s before t: probabilities (B, N, V + 1).

    Args:
        probs_BNV: p(z_0), float64 for exactness.
        ids_BN: z_t in [0, V], where V is MASK.
        earlier: the level at s, less noisy.
        later: the level at t.
        frequencies_V: f.
    """
    vocab_size = probs_BNV.shape[-1]
    tiny = torch.finfo(probs_BNV.dtype).tiny
    f = frequencies_V.to(probs_BNV)
    a_s, c_s, r_s = _shares(earlier)
    a_t, c_t, r_t = _shares(later)
    alpha, gamma, beta = (x[:, None, None] for x in transition(earlier, later))
    masked = (a_s * probs_BNV + r_s * f) * (gamma / c_t.clamp_min(tiny))
    masked = torch.cat([masked, (c_s / c_t.clamp_min(tiny)).expand(*ids_BN.shape, 1)], -1)
    code = ids_BN.clamp_max(vocab_size - 1)
    here, f_here = one_hot(code, vocab_size).to(probs_BNV), f[code].unsqueeze(-1)
    weight = probs_BNV / (a_t * here + r_t * f_here).clamp_min(tiny)
    moved = (alpha * here + beta * f_here) * (r_s * f * weight.sum(-1, keepdim=True) + a_s * weight)
    # Without replacement a token that is not masked is the clean one, and stays.
    moved = torch.where(r_t > 0, moved, here)
    unmasked = torch.cat([moved, torch.zeros_like(moved[..., :1])], -1)
    return torch.where((ids_BN == vocab_size).unsqueeze(-1), masked, unmasked)


def step_back(
    clean_BN: Tensor, ids_BN: Tensor, earlier: NoiseLevel, later: NoiseLevel, frequencies_V: Tensor,
    choice_BN: Tensor, codes_BN: Tensor,
) -> Tensor:  # fmt: skip
    """Draw z_s ~ q(z_s | z_t, z_0), for s before t: ids (B, N) in [0, V].

    With z_0 drawn from p(z_0) this is a draw from `posterior`, without its V + 1 probabilities: z_s is z_t, z_0 or a
    random code.

    Args:
        clean_BN: z_0.
        ids_BN: z_t, where V is MASK.
        earlier: the level at s, less noisy.
        later: the level at t.
        frequencies_V: f.
        choice_BN: uniforms that decide between the three.
        codes_BN: codes drawn from f.
    """
    vocab_size = len(frequencies_V)
    a_s, c_s, r_s = (x[:, None] for x in (earlier.kept, earlier.masked, earlier.replaced))
    alpha, gamma, beta = (x[:, None] for x in transition(earlier, later))
    masked = ids_BN == vocab_size
    f = frequencies_V.to(a_s)[ids_BN.clamp_max(vocab_size - 1)]
    stays = torch.where(masked, c_s, alpha * (r_s * f + a_s * (ids_BN == clean_BN)))
    clean = a_s * torch.where(masked, gamma, beta * f)
    random = r_s * torch.where(masked, gamma, beta * f)
    threshold = choice_BN * (stays + clean + random)
    # `<=`: where nothing can happen (no replacement, and z_t is not z_0), a token stays.
    moved = torch.where(threshold <= stays + clean, clean_BN, codes_BN)
    return torch.where(threshold <= stays, ids_BN, moved)


def _shares(level: NoiseLevel) -> tuple[Tensor, Tensor, Tensor]:
    kept, masked, replaced = (x[:, None, None] for x in (level.kept, level.masked, level.replaced))
    return kept, masked, replaced
