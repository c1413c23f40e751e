"""All scores of generated pictures against real ones at once."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lightgen.functional.distances import Statistics
from lightgen.metrics.base import FeatureMetric
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.metrics.scores import FeatureSets, Reference, Score, checked, evaluate


class GenerationScores(FeatureMetric):
    """Any scores, by default Frechet distance, KID with its standard error, precision, recall, density and coverage.

    All come from features that are computed once.

    Args:
        features: the protocol to compare by, or just the network that pictures are compared through.
        reference: statistics that the Frechet distance is to; None takes those of the real pictures.
        scores: None takes `lightgen.metrics.scores.DEFAULT`.

    Raises:
        ValueError: if the protocol wants a `reference` and there is none, or a score compares with training pictures;
            in `compute`, if there are no more than k real or generated pictures, or other numbers than the protocol's.
    """

    def __init__(
        self,
        features: FeatureNetwork | EvaluationProtocol,
        reference: Statistics | None = None,
        scores: Sequence[Score] | None = None,
    ) -> None:
        super().__init__(features)
        if self.rules.whole_split and reference is None:
            raise ValueError(f"protocol {self.rules.name} wants saved statistics of the whole {self.rules.split} split")
        self.reference, self.scores = reference, checked(scores)
        for score in self.scores:
            if Reference.TRAIN in score.references:
                raise ValueError(f"score {score.name} compares with training pictures, which are not collected here")

    def compute(self) -> dict[str, Tensor]:
        """Values by label, as `lightgen.metrics.scores.evaluate`."""
        real, fake = self.gathered()
        self.rules.check(len(real), len(fake))
        whole = None if self.reference is None else self.reference.to(self.device)
        return evaluate(self.scores, FeatureSets(self.rules, fake, real, whole_split=whole))
