"""Inception score: how sure a classifier is of each picture, and how unsure of all together."""

from __future__ import annotations

import torch
from torch import Tensor


def inception_score(probabilities: Tensor) -> Tensor:
    """exp of the mean KL divergence of class probabilities (n, classes) from their mean; between 1 and `classes`.

    Salimans et al., 2016, arXiv 1606.03498, over all pictures at once: dividing them into splits, as is the custom,
    only adds a bias (Barratt and Sharma, 2018, arXiv 1801.01973).

    >>> float(inception_score(torch.tensor([[1.0, 0.0], [0.0, 1.0]])))
    2.0

    Raises:
        ValueError: if there is no picture.
    """
    if not len(probabilities):
        raise ValueError("at least 1 picture is needed, not 0")
    return from_sums(*sums(probabilities), len(probabilities))


def sums(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """What adds up over pictures: sum of p (classes,), sum of p log p (), both float64."""
    p = probabilities.double()
    return p.sum(0), torch.xlogy(p, p).sum()


def from_sums(total: Tensor, negative_entropy: Tensor, count: int) -> Tensor:
    """The score from sums over `count` pictures."""
    marginal = total / count
    return (negative_entropy / count - torch.xlogy(marginal, marginal).sum()).exp()
