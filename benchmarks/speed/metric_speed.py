"""Scores of 10,000 pictures in 2048 dimensions against their floor and against what others take for them.

    python benchmarks/speed/metric_speed.py

Three ratios, each from calls that take turns in one run:

- precision, recall, density, coverage over three float32 products of 10,000 x 2048 x 10,000, one for each matrix of
  pairs (real, fake, real by fake), with torch-fidelity's precision and recall (no density, no coverage) beside it;
  and the memory they need beyond the features;
- Frechet distance from statistics of 10,000 pictures over torch-fidelity's;
- torchmetrics' Frechet distance of 1,000 pictures over ours from features, which is exact there.
"""

from __future__ import annotations

import warnings
from functools import partial

import torch
from timing import best_seconds
from torch import Tensor, nn
from torch_fidelity.metric_fid import fid_statistics_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance
from train_step import peak_mib

from lightgen.functional.distances import (
    Statistics,
    frechet_distance,
    frechet_distance_of_statistics,
    manifold_scores,
    statistics,
)

NUM, DIM, FEW = 10_000, 2048, 1_000
ROUNDS = 3


def features(seed: int, n: int = NUM) -> Tensor:
    """(n, DIM) float32, not negative and correlated, as pooled features are."""
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(DIM, DIM, generator=torch.Generator().manual_seed(0)) / DIM**0.5
    return torch.relu(torch.randn(n, DIM, generator=generator) @ mix + 0.1 * seed)


def products(real: Tensor, fake: Tensor) -> None:
    """The matrix products in the distances of all pairs."""
    out = torch.empty(len(real), len(fake))
    for a, b in ((real, real), (fake, fake), (real, fake)):
        torch.mm(a, b.T, out=out)


def as_arrays(x: Statistics) -> dict[str, object]:
    """Statistics as torch-fidelity wants them."""
    return {"mu": x.mean.numpy(), "sigma": x.covariance.numpy()}


class Given(nn.Identity):
    """For torchmetrics, which wants a network: pictures that are features already."""

    num_features = DIM


def torchmetrics_frechet(real: Tensor, fake: Tensor) -> FrechetInceptionDistance:
    """torchmetrics' distance with its statistics taken, each time computed anew."""
    metric = FrechetInceptionDistance(Given(), compute_with_cache=False)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    return metric


def main() -> None:
    warnings.simplefilter("ignore")
    real, fake = features(1), features(2)
    ours = partial(manifold_scores, real, fake)
    memory = peak_mib(ours)
    theirs = partial(prc_features_to_metric, fake, real, prc_neighborhood=3, verbose=False)
    floor, time, other = best_seconds(partial(products, real, fake), ours, theirs, rounds=ROUNDS)
    print(f"three products of {NUM} x {DIM} x {NUM}: {floor:.2f} s on {torch.get_num_threads()} threads")
    print(f"precision, recall, density, coverage: {time / floor:.2f} of that, {memory:.0f} MiB beyond the features")
    print(f"torch-fidelity's precision and recall: {other / floor:.2f} of that")

    a, b = statistics(real), statistics(fake)
    arrays = as_arrays(a), as_arrays(b)
    time, other = best_seconds(
        partial(frechet_distance_of_statistics, a, b),
        partial(fid_statistics_to_metric, *arrays, verbose=False),
        rounds=ROUNDS,
    )
    print(f"Frechet distance from statistics: {time:.2f} s, {time / other:.2f} of torch-fidelity's")

    few = real[:FEW], fake[:FEW]
    time, other = best_seconds(partial(frechet_distance, *few), torchmetrics_frechet(*few).compute, rounds=ROUNDS)
    print(f"Frechet distance of {FEW} pictures: {time:.2f} s, torchmetrics takes {other / time:.1f} times as long")


if __name__ == "__main__":
    main()
