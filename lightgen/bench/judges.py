"""The scorers of a comparison, each loaded once: one judges, others may choose among draws."""

from __future__ import annotations

from dataclasses import dataclass

from lightgen.checkpoint import fingerprint, load_scorer
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


class Judges:
    """Scorers by their checkpoints, and what names their weights."""

    def __init__(self) -> None:
        self._loaded: dict[str, Scorer] = {}
        self._weights: dict[str, str] = {}

    def __getitem__(self, checkpoint: str) -> Scorer:
        """The scorer, loaded at the first call."""
        if checkpoint not in self._loaded:
            self._loaded[checkpoint] = load_scorer(checkpoint)
        return self._loaded[checkpoint]

    def weights(self, checkpoint: str) -> str:
        """The fingerprint of a scorer's weights, worked out at the first call."""
        if checkpoint not in self._weights:
            self._weights[checkpoint] = fingerprint(self[checkpoint])
        return self._weights[checkpoint]

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
