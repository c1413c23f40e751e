"""Scores of sets of pictures against reference pictures, whose features are computed once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightgen.data.base import ImageData, Split
from lightgen.functional.distances import Statistics, statistics
from lightgen.metrics.protocols import WHOLE_SPLIT, EvaluationProtocol
from lightgen.metrics.reference import load_statistics, save_statistics
from lightgen.metrics.scores import FeatureSets, Reference, Score, evaluate, needed

BATCH = 64


class Evaluator:
    """Scores features of generated pictures.

    Args:
        data: its pictures are the reference.
        protocol: how they are compared.
        scores: what is computed; of the reference, only what these need is looked at.
        reference: a file of statistics that the Frechet distance is to, made where it is missing; None takes the
            reference pictures.
    """

    def __init__(
        self, data: ImageData, protocol: EvaluationProtocol, scores: Sequence[Score], reference: Path | None = None
    ) -> None:
        self.data, self.protocol, self.scores, self.reference = data, protocol, tuple(scores), reference
        self.split: Split = protocol.split or "val"  # type: ignore[assignment]
        self._needed = needed(scores)

    def __call__(self, fake: Tensor) -> dict[str, float]:
        """Scores by label of the features (n, d) of generated pictures."""
        sets = FeatureSets(
            self.protocol,
            fake,
            self._real.to(fake.device),
            self._train.to(fake.device) if Reference.TRAIN in self._needed else None,
            None if self._whole_split is None else self._whole_split.to(fake.device),
        )
        return {label: float(value) for label, value in evaluate(self.scores, sets).items()}

    @property
    def labels(self) -> frozenset[str]:
        """What the scores are called in results."""
        return frozenset(score.label(self.protocol.features.name) for score in self.scores)

    @property
    def num_real(self) -> int:
        """How many reference pictures there are."""
        there = len(self.data.dataset(self.split))
        return min(self.protocol.num_real or there, there)

    @cached_property
    def data_fingerprint(self) -> str:
        """What names the pictures. It goes through the names of all of them, so it is kept."""
        return self.data.fingerprint

    def rules(self, num_fake: int) -> dict[str, Any]:
        """What must be known to compare scores of so many pictures with others."""
        whole = {} if self.reference is None else {"frechet_reference": WHOLE_SPLIT}
        return {**self.protocol.record(real=self.num_real, fake=num_fake), "split": self.split, **whole}

    def features(self, images: Tensor) -> Tensor:
        """(n, d) of uint8 pictures (n, C, H, W)."""
        return torch.cat([self.protocol.features(batch) for batch in images.split(BATCH)])

    @property
    def numbers(self) -> Tensor:
        """(num_real,) int64: which pictures of the split are the reference."""
        there = len(self.data.dataset(self.split))
        return torch.linspace(0, there - 1, self.num_real).round().long()

    @cached_property
    def _real(self) -> Tensor:
        return self._look(self.split, self.numbers)

    @cached_property
    def _train(self) -> Tensor:
        return self._look("train", torch.arange(len(self.data.dataset("train"))))

    @cached_property
    def _whole_split(self) -> Statistics | None:
        if self.reference is None or Reference.WHOLE_SPLIT not in self._needed:
            return None
        if not self.reference.exists():
            whole = self._look(self.split, torch.arange(len(self.data.dataset(self.split))))
            save_statistics(statistics(whole), self.reference, self.protocol, self.data_fingerprint)
        return load_statistics(self.reference, self.protocol, self.data_fingerprint)

    def _look(self, split: Split, numbers: Tensor) -> Tensor:
        pictures = self.data.dataset(split)
        return torch.cat(
            [self.features(pictures.__getitems__(some.tolist())["image"]) for some in numbers.split(BATCH)]
        )
