"""What metrics of sets of pictures share: features are computed once, kept, and gathered over ranks."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.protocols import Custom, EvaluationProtocol

FRECHET_NAMES = {"inception": "FID", "inception-clean": "clean-FID"}


def frechet_name(network: str) -> str:
    """What the Frechet distance through a feature network is called; only Inception's is FID."""
    return FRECHET_NAMES.get(network, f"FD({network})")


def rules_of(features: FeatureNetwork | EvaluationProtocol) -> EvaluationProtocol:
    """The protocol itself, or `Custom` around a network."""
    return features if isinstance(features, EvaluationProtocol) else Custom(features)


class FeatureMetric(Metric):
    """A score of real and generated pictures. Only features are kept and gathered over ranks, never pictures.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.
    """

    parts: ClassVar[tuple[str, ...]] = ("real", "fake")
    """The sets that are compared, each a state of this name."""
    real: list[Tensor]
    fake: list[Tensor]
    full_state_update = False

    def __init__(self, features: FeatureNetwork | EvaluationProtocol) -> None:
        super().__init__()
        self.rules = rules_of(features)
        self.counts = (0,) * len(self.parts)
        for part in self.parts:
            self.add_state(part, [], dist_reduce_fx="cat")

    def update(self, images: Tensor, real: bool) -> None:
        """Add uint8 pictures (B, C, H, W), real or generated."""
        (self.real if real else self.fake).append(self.rules.features(images))

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather over ranks; a rank that saw no picture takes part with none."""
        for part in self.parts:
            features = getattr(self, part)
            if isinstance(features, list) and not features:
                # torchmetrics would send a vector where the other ranks send a matrix.
                features.append(torch.empty(0, self.rules.features.dim, device=self.device))
        super().sync(*args, **kwargs)

    def gathered(self) -> list[Tensor]:
        """Features of each part, over all ranks.

        Raises:
            ValueError: if a part is empty.
        """
        found = [getattr(self, part) for part in self.parts]
        self.counts = tuple(sum(map(len, f)) if isinstance(f, list) else len(f) for f in found)
        if 0 in self.counts:
            raise ValueError(f"there are no {self.parts[self.counts.index(0)].replace('_', '-')} pictures to compare")
        return [dim_zero_cat(f) for f in found]

    def protocol(self) -> dict[str, Any]:
        """What must be known to compare the numbers of the last `compute` with others."""
        return self.rules.record(**dict(zip(self.parts, self.counts, strict=True)))
