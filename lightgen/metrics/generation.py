"""Scores of generated pictures against real ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightgen.functional.distances import frechet_distance, kernel_distance, manifold_scores
from lightgen.metrics.features import FeatureNetwork
from lightgen.registry import describe


def generation_scores(real: Tensor, fake: Tensor, name: str, k: int = 3) -> dict[str, Tensor]:
    """Scores by name of generated features (m, d) against real ones (n, d).

    Args:
        real, fake: features of the pictures.
        name: of the feature network; a score through another network than Inception is not called FID.
        k: neighbours in the manifold scores.

    Raises:
        ValueError: if there are no more than k real or generated pictures.
    """
    kernel = kernel_distance(real, fake)
    scores = manifold_scores(real, fake, k)
    return {
        "FID" if name == "inception" else f"FD({name})": frechet_distance(real, fake),
        f"KID({name})": kernel.value,
        f"KID({name}) standard error": kernel.standard_error,
        "precision": scores.precision,
        "recall": scores.recall,
        "density": scores.density,
        "coverage": scores.coverage,
    }


class GenerationScores(Metric):
    """Frechet distance, KID with its standard error, precision, recall, density and coverage.

    All come from features that are computed once. Only features are kept and gathered over ranks, never pictures.

    Args:
        features: the network that pictures are compared through.
        k: neighbours in the manifold scores.

    Raises:
        ValueError: in `compute`, if there are no more than k real or generated pictures.
    """

    real: list[Tensor]
    fake: list[Tensor]
    full_state_update = False

    def __init__(self, features: FeatureNetwork, k: int = 3) -> None:
        super().__init__()
        self.features = features
        self.k = k
        self.counts = (0, 0)
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, images: Tensor, real: bool) -> None:
        """Add uint8 pictures (B, C, H, W), real or generated."""
        (self.real if real else self.fake).append(self.features(images))

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather over ranks; a rank that saw no picture takes part with none."""
        for features in (self.real, self.fake):
            if isinstance(features, list) and not features:
                # torchmetrics would send a vector where the other ranks send a matrix.
                features.append(torch.empty(0, self.features.dim, device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """Scores by name, as `generation_scores`."""
        real, fake = dim_zero_cat(self.real), dim_zero_cat(self.fake)
        self.counts = len(real), len(fake)
        return generation_scores(real, fake, self.features.name, self.k)

    def protocol(self) -> dict[str, Any]:
        """What must be known to compare the numbers of the last `compute` with others."""
        num_real, num_fake = self.counts
        return {
            "features": describe(self.features),
            "resize": self.features.resize,
            "num_real": num_real,
            "num_fake": num_fake,
            "k": self.k,
            "ball": "closed",
            "quantisation": "round to uint8",
            "torch": str(torch.__version__),
        }
