"""Precision, recall, density and coverage alone."""

from __future__ import annotations

from torch import Tensor

from lightgen.functional.distances import manifold_scores
from lightgen.metrics.base import FeatureMetric


class PRDC(FeatureMetric):
    """Precision, recall, density, coverage: `lightgen.functional.distances.manifold_scores`.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.

    Raises:
        ValueError: in `compute`, if there are no more than k real or generated pictures, or other numbers than the
            protocol's.
    """

    def compute(self) -> dict[str, Tensor]:
        """The four scores by name."""
        real, fake = self.gathered()
        self.rules.check(len(real), len(fake))
        return dict(vars(manifold_scores(real, fake, self.rules.k, self.rules.ball)))
