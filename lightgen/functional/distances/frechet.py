"""Frechet distance of two sets, each taken for a Gaussian; of vectors, or of their mean and covariance alone."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from lightgen.functional.distances.pairs import check, mean


class Statistics(NamedTuple):
    """What a Frechet distance needs to know of a set."""

    mean: Tensor
    """(d,) float64."""
    covariance: Tensor
    """(d, d) float64, unbiased."""
    num: int
    """How many vectors they come from."""

    def to(self, device: torch.device) -> Statistics:
        """The same on a device."""
        return Statistics(self.mean.to(device), self.covariance.to(device), self.num)


def statistics(x: Tensor) -> Statistics:
    """Mean and covariance of vectors (n, d).

    >>> statistics(torch.tensor([[0.0, 1.0], [2.0, 1.0]])).covariance
    tensor([[2., 0.],
            [0., 0.]], dtype=torch.float64)

    Raises:
        ValueError: if there are fewer than two vectors.
    """
    check(2, set=x)
    root = _root(x)
    return Statistics(mean(x), root.T @ root, len(x))


def frechet_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Frechet distance of the Gaussians with the means and covariances of vectors (n, d) and (m, d).

    Heusel et al., 2017, arXiv 1706.08500: |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)). The trace of the root is the
    sum of the singular values of A B^T, where A and B are the centred features, scaled so that A^T A = C1 and
    B^T B = C2. This is exact for any n and m, also below d, where the product of covariances has many zero eigenvalues
    and the roots of their rounding errors add up.

    >>> x = torch.eye(3)
    >>> float(frechet_distance(x, x + 2))
    12.0

    Warns:
        UserWarning: if a set has fewer vectors than dimensions.

    Raises:
        ValueError: if a set has fewer than two vectors, or dimensions differ.
    """
    check(2, real=real, fake=fake)
    _warn_if_few(min(len(real), len(fake)), real.shape[1])
    a, b = _root(real), _root(fake)
    root = torch.linalg.svdvals(_compress(a) @ _compress(b).T).sum()
    return (mean(real) - mean(fake)).square().sum() + a.square().sum() + b.square().sum() - 2 * root


def frechet_distance_of_statistics(real: Statistics, fake: Statistics) -> Tensor:
    """The same from statistics, by a symmetric eigendecomposition.

    With R^T R = C1, the eigenvalues of C1 C2 are those of the symmetric R C2 R^T, which are real and, but for rounding,
    not negative. Where a set has fewer vectors than dimensions, `frechet_distance` is more exact.

    Warns:
        UserWarning: if a set has fewer vectors than dimensions.

    Raises:
        ValueError: if dimensions differ.
    """
    check(1, real=real.mean[None], fake=fake.mean[None])
    _warn_if_few(min(real.num, fake.num), len(real.mean))
    root = _root_of(real.covariance)
    trace = torch.linalg.eigvalsh(root @ fake.covariance @ root.T).clamp_min(0).sqrt().sum()
    difference = (real.mean - fake.mean).square().sum()
    return difference + real.covariance.trace() + fake.covariance.trace() - 2 * trace


def _root(x: Tensor) -> Tensor:
    """(n, d) float64 R with R^T R the covariance of x."""
    return (x - mean(x)).div_((len(x) - 1) ** 0.5)


def _root_of(covariance: Tensor) -> Tensor:
    """(d, d) R with R^T R the covariance: Cholesky's, or where that is singular, from its eigenvectors."""
    root, failed = torch.linalg.cholesky_ex(covariance, upper=True)
    if failed:
        values, vectors = torch.linalg.eigh(covariance)
        root = values.clamp_min(0).sqrt()[:, None] * vectors.T
    return root


def _compress(x: Tensor) -> Tensor:
    """Rows (n, d) to at most d rows with the same x^T x, so that a product of two sets stays small."""
    return x if len(x) <= x.shape[1] else torch.linalg.qr(x, mode="r").R


def _warn_if_few(count: int, dimensions: int) -> None:
    if count < dimensions:
        warnings.warn(
            f"a Frechet distance from {count} pictures in {dimensions} dimensions is biased upwards: "
            "compare it only with others from as many pictures",
            stacklevel=3,
        )
