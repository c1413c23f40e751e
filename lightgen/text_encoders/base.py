"""The contract of a text encoder: texts in, a row of features for each of their tokens out."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn

from lightgen.registry import Component


class TextEncoder(nn.Module, Component):
    """Maps texts, as bytes, to features (B, L, C).

    Args:
        max_length: L, the tokens of a text that are read.

    Raises:
        ValueError: if it is below 1.
    """

    kind: ClassVar[str] = "text encoder"
    frozen: ClassVar[bool] = False
    """Whether its features never change, so that they can be worked out once and kept."""

    def __init__(self, max_length: int) -> None:
        super().__init__()
        if max_length < 1:
            raise ValueError(f"max_length must be at least 1, not {max_length}")
        self.max_length = max_length
        self._num_cut = 0

    @property
    @abstractmethod
    def dim(self) -> int:
        """C, of the features."""

    @abstractmethod
    def forward(self, texts_BL: Tensor) -> Tensor:
        """Features (B, L, C) of the tokens of each text, with zeros behind: a row of zeros is no token.

        L is always `max_length`, so that what is made of a text does not depend on those beside it. An empty text has
        no tokens.

        Args:
            texts_BL: (B, bytes) uint8 as `lightgen.functional.text.to_bytes` makes them.
        """

    def learn(self, texts: Iterable[str]) -> None:
        """Take the vocabulary from the captions to train on, once, before the first step; frozen ones have theirs.

        Raises:
            ValueError: if there are no captions, where they are needed.
        """

    def pieces(self, text: str, whole: bool = True) -> list[int]:
        """The tokens of a text by number, as many as there are; or of words in one, without what stands around it.

        Raises:
            ValueError: if the encoder cannot say.
        """
        raise ValueError(f"{type(self).__name__} cannot say which tokens of a text a word is")

    def places(self, text: str, words: str) -> list[int]:
        """Which tokens of a text are some words of it, wherever they stand; none if they do not."""
        read, wanted = self.pieces(text), self.pieces(words, whole=False)
        starts = [i for i in range(len(read)) if wanted and read[i : i + len(wanted)] == wanted]
        return [i + k for i in starts for k in range(len(wanted)) if i + k < self.max_length]

    def report_cut(self, num: int) -> None:
        """Say that some texts were longer: when it is the first one, the tenth, the hundredth."""
        before, self._num_cut = self._num_cut, self._num_cut + num
        if num and (before == 0 or len(str(before)) < len(str(self._num_cut))):
            warnings.warn(
                f"texts of more than {self.max_length} tokens, cut there (max_length of {type(self).__name__}): "
                f"{self._num_cut} so far",
                stacklevel=3,
            )
