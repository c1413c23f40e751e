"""Distances between two sets of feature vectors: real (n, d) and fake (m, d)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 2048


def frechet_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Frechet distance of the two Gaussians with the sets' means and covariances (Heusel et al., 2017, arXiv 1706.08500).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The trace of the root is the sum of the singular values of
    A B^T, where A and B are the centred features scaled so that A^T A = C1 and B^T B = C2: exact for any n and m.

    Raises:
        ValueError: if a set has fewer than two vectors, or dimensions differ.
    """
    _check(real, fake, 2)
    a, b = (x.double() - x.double().mean(0) for x in (real, fake))
    a, b = a / (len(a) - 1) ** 0.5, b / (len(b) - 1) ** 0.5
    difference = real.double().mean(0) - fake.double().mean(0)
    root = torch.linalg.svdvals(_compress(a) @ _compress(b).T).sum()
    return difference.square().sum() + a.square().sum() + b.square().sum() - 2 * root


def kernel_distance(real: Tensor, fake: Tensor) -> Tensor:
    """KID: the unbiased squared MMD with the kernel (x.y / d + 1)^3, over all pairs (Binkowski et al., 2018, arXiv 1801.01401).

    Raises:
        ValueError: if a set has fewer than two vectors, or dimensions differ.
    """
    _check(real, fake, 2)
    x, y = real.double(), fake.double()
    n, m = len(x), len(y)
    within_x = (_kernel_sum(x, x) - _kernel_diagonal(x)) / (n * (n - 1))
    within_y = (_kernel_sum(y, y) - _kernel_diagonal(y)) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel_sum(x, y) / (n * m)


@dataclass(frozen=True)
class ManifoldScores:
    """Scores in [0, 1], but for density, which may exceed 1."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def manifold_scores(real: Tensor, fake: Tensor, k: int = 3) -> ManifoldScores:
    """How the sets cover each other, judged by closed balls to the k-th nearest neighbour of the same set.

    Precision and recall: Kynkaanniemi et al., 2019, arXiv 1904.06991. Density and coverage: Naeem et al., 2020,
    arXiv 2002.09797.

    Raises:
        ValueError: if a set has no more than k vectors, or dimensions differ.
    """
    _check(real, fake, k + 1)
    real, fake = real.float(), fake.float()
    real_radius, fake_radius = _radius(real, k), _radius(fake, k)
    nearest_fake, in_fake_ball = [], []
    inside = torch.zeros(len(fake), device=fake.device)
    for rows, radius in zip(real.split(CHUNK), real_radius.split(CHUNK), strict=True):
        distance = torch.cdist(rows, fake, compute_mode="donot_use_mm_for_euclid_dist")
        inside += (distance <= radius[:, None]).sum(0)
        nearest_fake.append(distance.min(1).values <= radius)
        in_fake_ball.append((distance <= fake_radius).any(1))
    return ManifoldScores(
        precision=(inside > 0).double().mean(),
        recall=torch.cat(in_fake_ball).double().mean(),
        density=inside.double().mean() / k,
        coverage=torch.cat(nearest_fake).double().mean(),
    )


def _compress(x: Tensor) -> Tensor:
    """Rows (n, d) to at most d rows with the same x^T x, so that a product of two sets stays small."""
    return x if len(x) <= x.shape[1] else torch.linalg.qr(x, mode="r").R


def _kernel_sum(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([((rows @ y.T) / x.shape[1] + 1).pow_(3).sum() for rows in x.split(CHUNK)]).sum()


def _kernel_diagonal(x: Tensor) -> Tensor:
    return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum()


def _radius(x: Tensor, k: int) -> Tensor:
    """Distance of each vector to its k-th nearest neighbour other than itself."""
    parts = []
    for rows in x.split(CHUNK):
        distance = torch.cdist(rows, x, compute_mode="donot_use_mm_for_euclid_dist")
        parts.append(distance.kthvalue(k + 1, dim=1).values)
    return torch.cat(parts)


def _check(real: Tensor, fake: Tensor, at_least: int) -> None:
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features must have one dimension, not {real.shape[1]} (real) and {fake.shape[1]} (fake)")
    if min(len(real), len(fake)) < at_least:
        raise ValueError(f"at least {at_least} pictures are needed on each side, not {len(real)} and {len(fake)}")
