"""Squared distances of all pairs of two sets, a tile at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

TILE = 1024
"""Rows and columns of the matrix of pairs that are held at once: large for the product, small for the cache."""
TIE = 1e-6
"""Rounding error of a squared distance, as a share of the squared norms."""


class Points(NamedTuple):
    """Vectors (n, d) near the origin, and their squared norms (n,)."""

    x: Tensor
    norm: Tensor


def points(x: Tensor, origin: Tensor) -> Points:
    """Vectors seen from an origin (d,) near them, where products lose least; distances do not depend on it.

    On a GPU, a user's setting may run float32 products in TF32, which is too coarse to tell neighbours apart, so that
    float64 is taken there.
    """
    exact = x if x.dtype == torch.float64 else x.float()
    dtype = torch.float32 if x.device.type == "cpu" else torch.float64
    exact = (exact - origin.to(exact)).to(dtype)
    return Points(exact, torch.cat([rows.square().sum(1) for rows in exact.split(TILE)]))


def mean(x: Tensor) -> Tensor:
    """(d,) float64 mean of vectors (n, d)."""
    return x.mean(0, dtype=torch.float64)


def tiles(n: int) -> Iterator[slice]:
    """Slices that cover range(n)."""
    return (slice(start, min(start + TILE, n)) for start in range(0, n, TILE))


def squared_distance(a: Points, b: Points, rows: slice, columns: slice, tie: float = 0.0) -> Tensor:
    """|a_i - b_j|^2 - tie (|a_i|^2 + |b_j|^2) for i in `rows` and j in `columns`; may fall a rounding error below 0."""
    over_b, over_a = b.norm[columns] * (1 - tie), a.norm[rows, None] * (1 - tie)
    return torch.addmm(over_b, a.x[rows], b.x[columns].T, alpha=-2).add_(over_a)


def squared_radius(x: Tensor, k: int) -> Tensor:
    """(n,) squared distance of each vector (n, d) to its k-th nearest neighbour other than itself, for k < n.

    A distance stands for both of its ends, so only tiles on and above the diagonal are computed.
    """
    at = points(x, mean(x))
    nearest = at.norm.new_full((len(x), k), torch.inf)
    for rows in tiles(len(x)):
        for columns in tiles(len(x)):
            if columns.start < rows.start:
                continue
            distance = squared_distance(at, at, rows, columns)
            if rows == columns:
                distance.fill_diagonal_(torch.inf)
            else:
                nearest[columns] = _merge(nearest[columns], distance.T.contiguous())
            nearest[rows] = _merge(nearest[rows], distance)
    return nearest[:, -1].clamp_min(0)


def check(at_least: int, **sets: Tensor) -> None:
    """Refuse sets that cannot be compared.

    Raises:
        ValueError: if a set has fewer vectors than `at_least`, or dimensions differ.
    """
    dimensions = {x.shape[1] for x in sets.values()}
    if len(dimensions) > 1:
        found = " and ".join(f"{x.shape[1]} ({name})" for name, x in sets.items())
        raise ValueError(f"features must have one dimension, not {found}")
    if min(map(len, sets.values())) < at_least:
        found = " and ".join(f"{len(x)} ({name})" for name, x in sets.items())
        raise ValueError(f"at least {at_least} pictures are needed in each set, not {found}")


def _merge(nearest: Tensor, distance: Tensor) -> Tensor:
    """The k smallest of each row of (r, k) and (r, c), in ascending order."""
    k = nearest.shape[1]
    smallest = distance.topk(min(k, distance.shape[1]), dim=1, largest=False).values
    return torch.cat([nearest, smallest], 1).topk(k, dim=1, largest=False).values
