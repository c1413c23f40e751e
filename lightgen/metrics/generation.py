"""Scores of generated pictures against real ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightgen.functional.distances import frechet_distance, kernel_distance, manifold_scores
from lightgen.metrics.features import FeatureNetwork


class GenerationScores(Metric):
    """Frechet distance, KID, precision, recall, density and coverage, from features that are computed once.

    Only features are kept and gathered over ranks, never pictures.

    Args:
        features: the network that pictures are compared through.
        k: neighbours in the manifold scores.
    """

    real: list[Tensor]
    fake: list[Tensor]
    full_state_update = False

    def __init__(self, features: FeatureNetwork, k: int = 3) -> None:
        super().__init__()
        self.features = features
        self.k = k
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, images: Tensor, real: bool) -> None:
        """Add uint8 pictures (B, C, H, W), real or generated."""
        (self.real if real else self.fake).append(self.features(images))

    def compute(self) -> dict[str, Tensor]:
        """Scores by name; those of another network than Inception are not called FID."""
        real, fake = dim_zero_cat(self.real), dim_zero_cat(self.fake)
        name = self.features.name
        scores = manifold_scores(real, fake, self.k)
        return {
            "FID" if name == "inception" else f"FD({name})": frechet_distance(real, fake),
            f"KID({name})": kernel_distance(real, fake),
            "precision": scores.precision,
            "recall": scores.recall,
            "density": scores.density,
            "coverage": scores.coverage,
        }

    def protocol(self) -> dict[str, Any]:
        """What must be known to compare these numbers with others."""
        return {
            "features": self.features.name,
            "num_real": sum(map(len, self.real)),
            "num_fake": sum(map(len, self.fake)),
            "k": self.k,
            "quantisation": "round to uint8",
            "torch": torch.__version__,
        }
