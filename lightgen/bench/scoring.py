"""Scores of several sets of pictures against one reference, kept in a file as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lightgen.functional.files import save_json
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.generation import generation_scores

BATCH = 64


class Scoring:
    """Scores by name; those that the file holds already are not computed again.

    Args:
        features: the network to compare through.
        reference: real pictures (n, C, H, W) uint8.
        path: of the file.
        key: what the scores depend on; a file with another key is begun anew.
    """

    def __init__(self, features: FeatureNetwork, reference: Tensor, path: Path, key: str) -> None:
        self.network = features
        self.reference = reference
        self.path, self.key = path, key
        self.rows: dict[str, dict[str, float]] = {}
        if path.is_file():
            stored: dict[str, Any] = json.loads(path.read_text())
            if stored["key"] == key:
                self.rows = stored["rows"]

    def add(self, name: str, make: Callable[[], tuple[Tensor, dict[str, float]]]) -> dict[str, float]:
        """Scores of the pictures (m, C, H, W) uint8 that `make` returns, with what else it wants on record.

        The time that making them took is recorded as `seconds`.
        """
        if name not in self.rows:
            start = time.perf_counter()
            pictures, more = make()
            seconds = time.perf_counter() - start
            scores = generation_scores(self._reference_features, self._features(pictures), self.network.name)
            values = {score: float(value) for score, value in scores.items()}
            self.rows[name] = {**values, **more, "num_images": len(pictures), "seconds": seconds}
            save_json({"key": self.key, "rows": self.rows}, self.path)
        return self.rows[name]

    @cached_property
    def _reference_features(self) -> Tensor:
        return self._features(self.reference)

    def _features(self, pictures: Tensor) -> Tensor:
        return torch.cat([self.network(batch) for batch in pictures.split(BATCH)])
