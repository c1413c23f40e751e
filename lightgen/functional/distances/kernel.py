"""KID: the kernel distance of two sets, unbiased, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from lightgen.functional.distances.pairs import check, tiles


@dataclass(frozen=True)
class KernelDistance:
    """An estimate and its standard error."""

    value: Tensor
    standard_error: Tensor


def kernel_distance(real: Tensor, fake: Tensor) -> KernelDistance:
    """KID of vectors (n, d) and (m, d): the unbiased squared MMD with the kernel (x.y / d + 1)^3, over all pairs.

    Binkowski et al., 2018, arXiv 1801.01401, without their subsets. The squared standard error is the variance of the
    first-order projection of the U-statistic, 4 (var a / n + var b / m) with
    a_i = mean_j k(x_i, x_j) - mean_j k(x_i, y_j) and b likewise. It is cautious where both sets have nearly one
    distribution.

    >>> x = torch.tensor([[0.0], [1.0]])
    >>> float(kernel_distance(x, x).value)
    -3.5

    Raises:
        ValueError: if a set has fewer than two vectors, or dimensions differ.
    """
    check(2, real=real, fake=fake)
    x, y = real.double(), fake.double()
    across_x, across_y = _across(x, y)
    a = _within(x) / (len(x) - 1) - across_x / len(y)
    b = _within(y) / (len(y) - 1) - across_y / len(x)
    return KernelDistance(a.mean() + b.mean(), 2 * (a.var() / len(x) + b.var() / len(y)).sqrt())


def _across(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of the kernel matrix (n, m) over its columns and over its rows."""
    over_y, over_x = x.new_zeros(len(x)), y.new_zeros(len(y))
    for rows in tiles(len(x)):
        for columns in tiles(len(y)):
            kernel = _kernel(x[rows], y[columns])
            over_y[rows] += kernel.sum(1)
            over_x[columns] += kernel.sum(0)
    return over_y, over_x


def _within(x: Tensor) -> Tensor:
    """Sums of the kernel matrix (n, n) over its columns, without the diagonal; by symmetry from its upper tiles."""
    total = x.new_zeros(len(x))
    for rows in tiles(len(x)):
        for columns in tiles(len(x)):
            if columns.start < rows.start:
                continue
            kernel = _kernel(x[rows], x[columns])
            if rows == columns:
                kernel.fill_diagonal_(0)
            else:
                total[columns] += kernel.sum(0)
            total[rows] += kernel.sum(1)
    return total


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T).div_(x.shape[1]).add_(1).pow_(3)
