"""Distances between two sets of feature vectors: real (n, d) and fake (m, d)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CHUNK = 2048
"""Rows of a matrix of pairs that are held at once."""
TIE = 1e-6
"""Rounding error of a squared distance, as a share of the squared norms: what is nearer to an edge is inside."""


def frechet_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Frechet distance of the Gaussians with the sets' means and covariances.

    Heusel et al., 2017, arXiv 1706.08500: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The trace of the root is the
    sum of the singular values of A B^T, where A and B are the centred features, scaled so that A^T A = C1 and
    B^T B = C2. This is exact for any n and m, also below d.

    Raises:
        ValueError: if a set has fewer than two vectors, or dimensions differ.
    """
    _check(real, fake, 2)
    a, b = (x.double() - x.double().mean(0) for x in (real, fake))
    a, b = a / (len(a) - 1) ** 0.5, b / (len(b) - 1) ** 0.5
    difference = real.double().mean(0) - fake.double().mean(0)
    root = torch.linalg.svdvals(_compress(a) @ _compress(b).T).sum()
    return difference.square().sum() + a.square().sum() + b.square().sum() - 2 * root


@dataclass(frozen=True)
class KernelDistance:
    """An estimate and its standard error."""

    value: Tensor
    standard_error: Tensor


def kernel_distance(real: Tensor, fake: Tensor) -> KernelDistance:
    """KID: the unbiased squared MMD with the kernel (x.y / d + 1)^3, over all pairs.

    Binkowski et al., 2018, arXiv 1801.01401, without their subsets. The squared standard error is the variance of the
    first-order projection of the U-statistic, 4 (var a / n + var b / m) with
    a_i = mean_j k(x_i, x_j) - mean_j k(x_i, y_j) and b likewise. It is cautious where both sets have nearly one
    distribution.

    Raises:
        ValueError: if a set has fewer than two vectors, or dimensions differ.
    """
    _check(real, fake, 2)
    x, y = real.double(), fake.double()
    n, m = len(x), len(y)
    across_x, across_y = _kernel_sums(x, y)
    within_x = (_kernel_sums(x, x)[0] - _kernel_diagonal(x)) / (n - 1)
    within_y = (_kernel_sums(y, y)[0] - _kernel_diagonal(y)) / (m - 1)
    a, b = within_x - across_x / m, within_y - across_y / n
    return KernelDistance(a.mean() + b.mean(), 2 * (a.var() / n + b.var() / m).sqrt())


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
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    _check(real, fake, k + 1)
    # Distances do not depend on the origin; products lose least near the data's mean. On a GPU, a user's setting may
    # run float32 products in TF32, which is too coarse to tell neighbours apart.
    dtype = torch.float32 if real.device.type == "cpu" else torch.float64
    origin = real.double().mean(0)
    real, fake = ((x.double() - origin).to(dtype) for x in (real, fake))
    real_radius, fake_radius = _squared_radius(real, k), _squared_radius(fake, k)
    balls = torch.zeros(len(fake), dtype=torch.long, device=fake.device)
    covered, recalled = [], []
    for rows, radius in zip(real.split(CHUNK), real_radius.split(CHUNK), strict=True):
        distance = _squared_distance(rows, fake, TIE)
        inside = distance <= radius[:, None]
        balls += inside.sum(0)
        covered.append(inside.any(1))
        recalled.append((distance <= fake_radius).any(1))
    return ManifoldScores(
        precision=(balls > 0).double().mean(),
        recall=torch.cat(recalled).double().mean(),
        density=balls.double().mean() / k,
        coverage=torch.cat(covered).double().mean(),
    )


def _compress(x: Tensor) -> Tensor:
    """Rows (n, d) to at most d rows with the same x^T x, so that a product of two sets stays small."""
    return x if len(x) <= x.shape[1] else torch.linalg.qr(x, mode="r").R


def _kernel_sums(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the kernel matrix (n, m) over its columns and over its rows."""
    over_y, over_x = [], torch.zeros(len(y), dtype=y.dtype, device=y.device)
    for rows in x.split(CHUNK):
        kernel = ((rows @ y.T) / x.shape[1] + 1).pow_(3)
        over_y.append(kernel.sum(1))
        over_x += kernel.sum(0)
    return torch.cat(over_y), over_x


def _kernel_diagonal(x: Tensor) -> Tensor:
    return (x.square().sum(1) / x.shape[1] + 1).pow(3)


def _squared_radius(x: Tensor, k: int) -> Tensor:
    """Squared distance of each vector to its k-th nearest neighbour other than itself."""
    x = x - x.mean(0)
    parts = []
    for start in range(0, len(x), CHUNK):
        distance = _squared_distance(x[start : start + CHUNK], x)
        distance.diagonal(start).fill_(torch.inf)
        parts.append(distance.topk(k, dim=1, largest=False).values[:, -1])
    return torch.cat(parts).clamp_min_(0)


def _squared_distance(x: Tensor, y: Tensor, tie: float = 0.0) -> Tensor:
    """|x_i - y_j|^2 - tie (|x_i|^2 + |y_j|^2), of shape (n, m)."""
    x_norm, y_norm = x.square().sum(1, keepdim=True), y.square().sum(1)
    return torch.addmm(y_norm * (1 - tie), x, y.T, alpha=-2).add_(x_norm * (1 - tie))


def _check(real: Tensor, fake: Tensor, at_least: int) -> None:
    if real.shape[1] != fake.shape[1]:
        raise ValueError(f"features must have one dimension, not {real.shape[1]} (real) and {fake.shape[1]} (fake)")
    if min(len(real), len(fake)) < at_least:
        raise ValueError(f"at least {at_least} pictures are needed on each side, not {len(real)} and {len(fake)}")
