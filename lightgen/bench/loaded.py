"""Checkpoints of a comparison, each loaded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from torch import nn

from lightgen.checkpoint import fingerprint

Model = TypeVar("Model", bound=nn.Module)


class Loaded(Generic[Model]):
    """What checkpoints of one kind hold, by their paths, and what names their weights.

    Args:
        load: reads one.
    """

    def __init__(self, load: Callable[[str], Model]) -> None:
        self._load = load
        self._models: dict[str, Model] = {}
        self._weights: dict[str, str] = {}

    def __getitem__(self, checkpoint: str) -> Model:
        """What it holds, loaded at the first call."""
        if checkpoint not in self._models:
            self._models[checkpoint] = self._load(checkpoint)
        return self._models[checkpoint]

    def weights(self, checkpoint: str) -> str:
        """The fingerprint of its weights, worked out at the first call."""
        if checkpoint not in self._weights:
            self._weights[checkpoint] = fingerprint(self[checkpoint])
        return self._weights[checkpoint]
