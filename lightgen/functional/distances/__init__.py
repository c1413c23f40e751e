"""Distances between sets of feature vectors: tensors in, numbers out, in memory that does not grow with pairs."""

from lightgen.functional.distances.frechet import (
    Statistics,
    frechet_distance,
    frechet_distance_of_statistics,
    statistics,
)
from lightgen.functional.distances.inception_score import inception_score
from lightgen.functional.distances.kernel import KernelDistance, kernel_distance
from lightgen.functional.distances.manifold import Ball, ManifoldScores, manifold_scores
from lightgen.functional.distances.novelty import NoveltyScores, novelty_scores

__all__ = [
    "Ball",
    "KernelDistance",
    "ManifoldScores",
    "NoveltyScores",
    "Statistics",
    "frechet_distance",
    "frechet_distance_of_statistics",
    "inception_score",
    "kernel_distance",
    "manifold_scores",
    "novelty_scores",
    "statistics",
]
