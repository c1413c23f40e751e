"""Precision, recall, density, coverage: how two sets cover each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from lightgen.functional.distances.pairs import TIE, check, mean, points, squared_distance, squared_radius, tiles

Ball = Literal["closed", "open"]
"""Whether a point on the edge of a ball is in it. Rounding counts as being on the edge."""


@dataclass(frozen=True)
class ManifoldScores:
    """Scores in [0, 1], but for density, which may exceed 1."""

    precision: Tensor
    recall: Tensor
    density: Tensor
    coverage: Tensor


def manifold_scores(real: Tensor, fake: Tensor, k: int = 3, ball: Ball = "closed") -> ManifoldScores:
    """How vectors (n, d) and (m, d) cover each other, judged by balls to the k-th nearest neighbour of the same set.

    Precision and recall: Kynkaanniemi et al., 2019, arXiv 1904.06991, who take closed balls. Density and coverage:
    Naeem et al., 2020, arXiv 2002.09797, whose balls are open in their code.

    Three matrices of pairs are looked at: real, fake, and real by fake; the first two by half, as they are symmetric.

    >>> x = torch.arange(8.0)[:, None]
    >>> float(manifold_scores(x, x[:4], k=1).coverage)
    0.625

    Args:
        real, fake: features.
        k: which neighbour, below n and m.
        ball: whether a ball's edge is part of it.

    Raises:
        ValueError: if a set has no more than k vectors, k is below 1, dimensions differ, or there is no such ball.
    """
    check_neighbours(k, ball)
    check(k + 1, real=real, fake=fake)
    inside, tie = {"closed": (torch.le, TIE), "open": (torch.lt, -TIE)}[ball]
    real_radius, fake_radius = squared_radius(real, k), squared_radius(fake, k)
    origin = mean(real)
    real_at, fake_at = points(real, origin), points(fake, origin)
    balls = torch.zeros(len(fake), dtype=torch.long, device=fake.device)
    covered = torch.zeros(len(real), dtype=torch.bool, device=real.device)
    recalled = covered.clone()
    for rows in tiles(len(real)):
        for columns in tiles(len(fake)):
            distance = squared_distance(real_at, fake_at, rows, columns, tie)
            in_real = inside(distance, real_radius[rows, None])
            balls[columns] += in_real.sum(0)
            covered[rows] |= in_real.any(1)
            recalled[rows] |= inside(distance, fake_radius[columns]).any(1)
    return ManifoldScores(
        precision=(balls > 0).double().mean(),
        recall=recalled.double().mean(),
        density=balls.double().mean() / k,
        coverage=covered.double().mean(),
    )


def check_neighbours(k: int, ball: str) -> None:
    """Raises ValueError for a k below 1 and for a ball that there is not."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if ball not in get_args(Ball):
        raise ValueError(f"ball must be closed or open, not {ball}")
