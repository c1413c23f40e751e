"""Scores of generated pictures as components: each says its name, which way is better, and what it compares with."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import ClassVar

from torch import Tensor

from lightgen.functional.distances import (
    KernelDistance,
    ManifoldScores,
    NoveltyScores,
    Statistics,
    frechet_distance,
    frechet_distance_of_statistics,
    kernel_distance,
    manifold_scores,
    novelty_scores,
    statistics,
)
from lightgen.metrics.base import frechet_name
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.registry import Component


class Reference(Enum):
    """What a score may compare generated pictures with."""

    REAL = "the reference pictures"
    WHOLE_SPLIT = "statistics of the whole split, where there is a file of them"
    TRAIN = "all training pictures"


@dataclass(frozen=True)
class FeatureSets:
    """What scores are computed from; what several of them need is computed once, when the first one asks for it."""

    rules: EvaluationProtocol
    """By which pictures are compared."""
    fake: Tensor
    """Features (m, d) of the generated pictures."""
    real: Tensor
    """Features (n, d) of the reference pictures."""
    train: Tensor | None = None
    """Features of all training pictures; there for scores that declare `Reference.TRAIN`."""
    whole_split: Statistics | None = None
    """What the Frechet distance is to; None takes the reference pictures."""

    @cached_property
    def manifold(self) -> ManifoldScores:
        """Precision, recall, density and coverage."""
        return manifold_scores(self.real, self.fake, self.rules.k, self.rules.ball)

    @cached_property
    def kernel(self) -> KernelDistance:
        """KID and its standard error."""
        return kernel_distance(self.real, self.fake)

    @cached_property
    def copies(self) -> NoveltyScores:
        """Novelty and authenticity."""
        assert self.train is not None
        return novelty_scores(self.train, self.real, self.fake)


class Score(Component):
    """A number that says how good generated pictures are, from features of theirs and of a reference."""

    kind: ClassVar[str] = "score"

    name: ClassVar[str]
    """What `tune_by` calls it."""
    higher_is_better: ClassVar[bool]
    references: ClassVar[frozenset[Reference]] = frozenset({Reference.REAL})
    """What it compares with: only that is computed."""

    def label(self, network: str) -> str:
        """What it is called in results, through the feature network of that name."""
        return f"{self.name}({network})"

    @abstractmethod
    def __call__(self, sets: FeatureSets) -> Tensor:
        """Its value, a scalar."""

    def standard_error(self, sets: FeatureSets) -> Tensor | None:
        """That of the value for one set of pictures, where it is known."""
        return None


class FDScore(Score):
    """Frechet distance; through the FID Inception, FID."""

    source: ClassVar[str] = "Heusel et al., 2017, arXiv 1706.08500"
    name = "FD"
    higher_is_better = False
    references = frozenset({Reference.REAL, Reference.WHOLE_SPLIT})

    def label(self, network: str) -> str:
        return frechet_name(network)

    def __call__(self, sets: FeatureSets) -> Tensor:
        if sets.whole_split is None:
            return frechet_distance(sets.real, sets.fake)
        return frechet_distance_of_statistics(sets.whole_split, statistics(sets.fake))


class KIDScore(Score):
    """Kernel distance over all pairs, unbiased, with its standard error."""

    source: ClassVar[str] = "Binkowski et al., 2018, arXiv 1801.01401"
    name = "KID"
    higher_is_better = False

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.kernel.value

    def standard_error(self, sets: FeatureSets) -> Tensor:
        return sets.kernel.standard_error


class _Share(Score):
    """A share of pictures; it goes by its name alone, whatever the network."""

    higher_is_better = True

    def label(self, network: str) -> str:
        return self.name


class PrecisionScore(_Share):
    """Share of generated pictures near a real one."""

    source: ClassVar[str] = "Kynkaanniemi et al., 2019, arXiv 1904.06991"
    name = "precision"

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.manifold.precision


class RecallScore(_Share):
    """Share of real pictures near a generated one, judged by the neighbours of the generated ones."""

    source: ClassVar[str] = "Kynkaanniemi et al., 2019, arXiv 1904.06991"
    name = "recall"

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.manifold.recall


class DensityScore(_Share):
    """How many real pictures a generated one is near to, over k."""

    source: ClassVar[str] = "Naeem et al., 2020, arXiv 2002.09797"
    name = "density"

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.manifold.density


class CoverageScore(_Share):
    """Share of real pictures with a generated one near."""

    source: ClassVar[str] = "Naeem et al., 2020, arXiv 2002.09797"
    name = "coverage"

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.manifold.coverage


class NoveltyScore(_Share):
    """How often a generated picture is farther from all training pictures than a held-out one is; 0 for copies."""

    source: ClassVar[str] = "Meehan et al., 2020, arXiv 2004.05675"
    name = "novelty"
    references = frozenset({Reference.REAL, Reference.TRAIN})

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.copies.novelty


class AuthenticityScore(_Share):
    """Share of generated pictures farther from their nearest training picture than its own neighbour; 0 for copies."""

    source: ClassVar[str] = "Alaa et al., 2022, arXiv 2102.08921"
    name = "authenticity"
    references = frozenset({Reference.TRAIN})

    def __call__(self, sets: FeatureSets) -> Tensor:
        return sets.copies.authenticity


DEFAULT: tuple[Score, ...] = (
    FDScore(), KIDScore(), PrecisionScore(), RecallScore(), DensityScore(), CoverageScore(),
)  # fmt: skip
"""What is computed where nothing else is asked for."""


def checked(scores: Sequence[Score] | None) -> tuple[Score, ...]:
    """The scores, by default `DEFAULT`.

    Raises:
        ValueError: if there is none, or two have one name.
    """
    scores = DEFAULT if scores is None else tuple(scores)
    if not scores:
        raise ValueError("scores must name at least one score, not none")
    (name, count), *_ = Counter(score.name for score in scores).most_common()
    if count > 1:
        raise ValueError(f"scores must have names of their own, but {count} are called {name}")
    return scores


def needed(scores: Iterable[Score]) -> frozenset[Reference]:
    """What some scores compare with, together."""
    return frozenset(reference for score in scores for reference in score.references)


def evaluate(scores: Iterable[Score], sets: FeatureSets) -> dict[str, Tensor]:
    """Values by label, and standard errors where they are known."""
    found: dict[str, Tensor] = {}
    for score in scores:
        label = score.label(sets.rules.features.name)
        found[label] = score(sets)
        if (error := score.standard_error(sets)) is not None:
            found[standard_error_of(label)] = error
    return found


def standard_error_of(label: str) -> str:
    """What the standard error of a value is called in results."""
    return f"{label} standard error"
