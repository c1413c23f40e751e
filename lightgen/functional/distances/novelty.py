"""Whether a generator makes new pictures or copies those it learned from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lightgen.functional.distances.pairs import TIE, check, mean, points, squared_distance, squared_radius, tiles


@dataclass(frozen=True)
class NoveltyScores:
    """Two scores in [0, 1]. Neither says anything about quality: noise is new."""

    novelty: Tensor
    """How often a generated picture is farther from the training pictures than a held-out one is: 0.5 for new pictures
    of the data's distribution, 0 for copies, 1 for pictures far from all data."""
    authenticity: Tensor
    """Share of generated pictures that lie farther from their nearest training picture than its own nearest neighbour
    does: 0 for copies; about 0.5 for new pictures of the data's distribution."""


def novelty_scores(train: Tensor, held_out: Tensor, fake: Tensor) -> NoveltyScores:
    """Compare distances to the nearest training vector.

    Novelty is the U-statistic of Meehan et al., 2020, arXiv 2004.05675, over all of space: the probability that a
    generated vector is farther from its nearest training vector than a held-out one is from its own, ties counted half.
    Authenticity: Alaa et al., 2022, arXiv 2102.08921.

    >>> train, held_out = torch.tensor([[0.0], [4.0]]), torch.tensor([[1.0]])
    >>> float(novelty_scores(train, held_out, torch.tensor([[0.0], [6.0]])).novelty)
    0.5

    Args:
        train: features (n, d) of the pictures that the generator learned from.
        held_out: features (h, d) of other pictures of the same data.
        fake: features (m, d) of generated pictures.

    Raises:
        ValueError: if there are fewer than two training or no other pictures, or dimensions differ.
    """
    check(1, train=train, held_out=held_out, fake=fake)
    check(2, train=train)
    held_out_distance, _ = _nearest(held_out, train)
    fake_distance, which = _nearest(fake, train)
    ordered = held_out_distance.sort().values
    below = torch.searchsorted(ordered, fake_distance) + torch.searchsorted(ordered, fake_distance, right=True)
    return NoveltyScores(
        novelty=below.double().mean() / (2 * len(held_out)),
        authenticity=(fake_distance > squared_radius(train, 1)[which]).double().mean(),
    )


def _nearest(x: Tensor, train: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distance of each vector to its nearest training vector, 0 within rounding, and that one's number."""
    origin = mean(train)
    at, train_at = points(x, origin), points(train, origin)
    nearest = at.norm.new_full((len(x),), torch.inf)
    which = torch.zeros(len(x), dtype=torch.long, device=x.device)
    for rows in tiles(len(x)):
        for columns in tiles(len(train)):
            distance, column = squared_distance(at, train_at, rows, columns, TIE).min(1)
            closer = distance < nearest[rows]
            nearest[rows] = torch.where(closer, distance, nearest[rows])
            which[rows] = torch.where(closer, column + columns.start, which[rows])
    return nearest.clamp_min_(0), which
