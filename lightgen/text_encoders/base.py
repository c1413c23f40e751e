"""The contract of a text encoder: texts in, a row of features for each of their tokens out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from lightgen.registry import Component


class TextEncoder(nn.Module, Component):
    """Maps texts, as bytes, to features (B, L, C)."""

    kind: ClassVar[str] = "text encoder"
    frozen: ClassVar[bool] = False
    """Whether its features never change, so that they can be worked out once and kept."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """C, of the features."""

    @abstractmethod
    def forward(self, texts_BL: Tensor) -> Tensor:
        """Features (B, L, C) of the tokens of each text, with zeros behind: a row of zeros is no token.

        Args:
            texts_BL: (B, bytes) uint8 as `lightgen.functional.text.to_bytes` makes them.
        """

    def learn(self, texts: Iterable[str]) -> None:
        """Take the vocabulary from the captions to train on, once, before the first step; frozen ones have theirs."""
