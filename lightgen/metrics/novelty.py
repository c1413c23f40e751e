"""Whether generated pictures are copies of training pictures."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from lightgen.functional.distances import novelty_scores
from lightgen.metrics.base import FeatureMetric

Part = Literal["train", "held_out", "fake"]


class Novelty(FeatureMetric):
    """Novelty and authenticity: `lightgen.functional.distances.novelty_scores`.

    Numbers of pictures are not the protocol's to fix here. Novelty does not depend on how many there are of generated
    and held-out ones; give it all training pictures, or what it calls new may be a copy of one that is missing.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.

    Raises:
        ValueError: in `compute`, if there are fewer than two training or no other pictures.
    """

    parts: ClassVar[tuple[str, ...]] = ("train", "held_out", "fake")

    def update(self, images: Tensor, part: Part) -> None:  # type: ignore[override]
        """Add uint8 pictures (B, C, H, W): `train`, `held_out` or `fake`.

        Raises:
            ValueError: if there is no such part.
        """
        if part not in self.parts:
            raise ValueError(f"part must be one of {', '.join(self.parts)}, not {part}")
        getattr(self, part).append(self.rules.features(images))

    def compute(self) -> dict[str, Tensor]:
        """The two scores by name."""
        name = self.rules.features.name
        return {f"{score}({name})": value for score, value in vars(novelty_scores(*self.gathered())).items()}
