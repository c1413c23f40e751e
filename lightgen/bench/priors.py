"""The priors of a comparison, each loaded once."""

from __future__ import annotations

from lightgen.checkpoint import fingerprint, load
from lightgen.prior import Prior


class Priors:
    """Priors by their checkpoints, and what names their weights."""

    def __init__(self) -> None:
        self._loaded: dict[str, Prior] = {}
        self._weights: dict[str, str] = {}

    def __getitem__(self, checkpoint: str) -> Prior:
        """The prior, loaded at the first call."""
        if checkpoint not in self._loaded:
            self._loaded[checkpoint] = load(checkpoint, "prior")
        return self._loaded[checkpoint]

    def weights(self, checkpoint: str) -> str:
        """The fingerprint of a prior's weights, worked out at the first call."""
        if checkpoint not in self._weights:
            self._weights[checkpoint] = fingerprint(self[checkpoint])
        return self._weights[checkpoint]

    def tokenizer(self, checkpoint: str) -> str:
        """The fingerprint of its tokenizer."""
        return fingerprint(self[checkpoint].tokenizer)
