"""The scorers of a comparison, each loaded once: one judges, others may choose among draws."""

from __future__ import annotations

from dataclasses import dataclass

from lightgen.bench.loaded import Loaded
from lightgen.checkpoint import load_scorer
from lightgen.reranking import BestOf
from lightgen.scorers.base import Scorer


@dataclass(frozen=True)
class Reranking:
    """That the best of several draws is kept, as plain data."""

    best_of: int
    scorer: str
    """The checkpoint."""
    weights: str
    """The fingerprint of what is in it."""


class Judges(Loaded[Scorer]):
    """Scorers by their checkpoints."""

    def __init__(self) -> None:
        super().__init__(load_scorer)

    def reranking(self, best_of: int, checkpoint: str | None, judge: str | None) -> Reranking | None:
        """How a method chooses; None where it makes one draw.

        Raises:
            ValueError: if it chooses by the judge itself, or a scorer cannot be read.
        """
        if checkpoint is None:
            return None
        weights = self.weights(checkpoint)
        if judge is not None and weights == self.weights(judge):
            raise ValueError(f"its reranker {checkpoint} is the judge itself, which would praise what it chose; "
                             "give another scorer")  # fmt: skip
        return Reranking(best_of, checkpoint, weights)

    def choice(self, reranking: Reranking | None) -> BestOf | None:
        """What does it."""
        return None if reranking is None else BestOf(reranking.best_of, self[reranking.scorer])
