"""Frechet distance without keeping features: any number of pictures, against pictures or saved statistics."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lightgen.functional.distances import Statistics, frechet_distance_of_statistics
from lightgen.metrics.base import frechet_name, rules_of
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.protocols import EvaluationProtocol


class FeatureStatistics(Metric):
    """Mean and covariance of the features of pictures, in memory that does not grow with their number.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.

    Raises:
        ValueError: in `compute`, if there are fewer than two pictures.
    """

    count: Tensor
    total: Tensor
    product: Tensor
    full_state_update = False

    def __init__(self, features: FeatureNetwork | EvaluationProtocol) -> None:
        super().__init__()
        self.rules = rules_of(features)
        dim = self.rules.features.dim
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("product", torch.zeros(dim, dim, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        """Add uint8 pictures (B, C, H, W)."""
        features = self.rules.features(images).double()
        self.count += len(features)
        self.total += features.sum(0)
        self.product += features.T @ features

    def compute(self) -> Statistics:
        """Statistics of all pictures so far."""
        count = int(self.count)
        if count < 2:
            raise ValueError(f"at least 2 pictures are needed for a covariance, not {count}")
        mean = self.total / count
        covariance = (self.product - count * mean[:, None] * mean) / (count - 1)
        return Statistics(mean, covariance, count)


class FrechetDistance(Metric):
    """Frechet distance from sums over pictures: `lightgen.functional.distances.frechet_distance_of_statistics`.

    For fewer pictures than dimensions, `GenerationScores` is more exact.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.
        reference: statistics in place of real pictures.

    Raises:
        ValueError: if real pictures are added beside a `reference`; in `compute`, if there are fewer than two real or
            generated pictures, or other numbers than the protocol's.
    """

    full_state_update = False

    def __init__(self, features: FeatureNetwork | EvaluationProtocol, reference: Statistics | None = None) -> None:
        super().__init__()
        self.rules = rules_of(features)
        self.reference = reference
        self.real, self.fake = FeatureStatistics(self.rules), FeatureStatistics(self.rules)
        self.counts = (0, 0)

    def update(self, images: Tensor, real: bool) -> None:
        """Add uint8 pictures (B, C, H, W), real or generated."""
        if real and self.reference is not None:
            raise ValueError("real pictures are already given by their statistics")
        (self.real if real else self.fake).update(images)

    def reset(self) -> None:
        """Forget all pictures, but not a reference."""
        super().reset()
        self.real.reset()
        self.fake.reset()

    def compute(self) -> dict[str, Tensor]:
        """The distance by name."""
        real = self.real.compute() if self.reference is None else self.reference.to(self.device)
        fake = self.fake.compute()
        self.counts = real.num, fake.num
        self.rules.check(None if self.rules.whole_split else real.num, fake.num)
        return {frechet_name(self.rules.features.name): frechet_distance_of_statistics(real, fake)}

    def protocol(self) -> dict[str, Any]:
        """What must be known to compare the number of the last `compute` with others."""
        return self.rules.record(real=self.counts[0], fake=self.counts[1])
