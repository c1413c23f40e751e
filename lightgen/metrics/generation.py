"""All scores of generated pictures against real ones at once."""

from __future__ import annotations

from torch import Tensor

from lightgen.functional.distances import (
    Ball,
    Statistics,
    frechet_distance,
    frechet_distance_of_statistics,
    kernel_distance,
    manifold_scores,
    statistics,
)
from lightgen.metrics.base import FeatureMetric, frechet_name
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.protocols import EvaluationProtocol


def generation_scores(
    real: Tensor,
    fake: Tensor,
    name: str,
    k: int = 3,
    ball: Ball = "closed",
    reference: Statistics | None = None,
) -> dict[str, Tensor]:
    """Scores by name of generated features (m, d) against real ones (n, d).

    Args:
        real, fake: features of the pictures.
        name: of the feature network; a score through another network than Inception is not called FID.
        k: neighbours in the manifold scores.
        ball: whether the balls in the manifold scores are closed.
        reference: what the Frechet distance is to; None takes the real features.

    Raises:
        ValueError: if there are no more than k real or generated pictures.
    """
    scores = manifold_scores(real, fake, k, ball)
    kernel = kernel_distance(real, fake)
    if reference is None:
        frechet = frechet_distance(real, fake)
    else:
        frechet = frechet_distance_of_statistics(reference, statistics(fake))
    return {
        frechet_name(name): frechet,
        f"KID({name})": kernel.value,
        f"KID({name}) standard error": kernel.standard_error,
        "precision": scores.precision,
        "recall": scores.recall,
        "density": scores.density,
        "coverage": scores.coverage,
    }


class GenerationScores(FeatureMetric):
    """Frechet distance, KID with its standard error, precision, recall, density and coverage.

    All come from features that are computed once.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.
        reference: statistics that the Frechet distance is to; None takes those of the real pictures.

    Raises:
        ValueError: if the protocol wants a `reference` and there is none; in `compute`, if there are no more than k
            real or generated pictures, or other numbers than the protocol's.
    """

    def __init__(self, features: FeatureNetwork | EvaluationProtocol, reference: Statistics | None = None) -> None:
        super().__init__(features)
        if self.rules.whole_split and reference is None:
            raise ValueError(f"protocol {self.rules.name} wants saved statistics of the whole {self.rules.split} split")
        self.reference = reference

    def compute(self) -> dict[str, Tensor]:
        """Scores by name, as `generation_scores`."""
        real, fake = self.gathered()
        self.rules.check(len(real), len(fake))
        name = self.rules.features.name
        reference = None if self.reference is None else self.reference.to(self.device)
        return generation_scores(real, fake, name, self.rules.k, self.rules.ball, reference)
