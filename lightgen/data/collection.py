"""A set of pictures before they are split, resized and batched."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from PIL import Image


class Collection(ABC):
    """Pictures that can be opened by number.

    `identities[i]` names what picture i shows: pictures of one identity never fall on two sides of a split.
    `fixed[i]`, where there is one, is a split that the data set's makers chose.
    """

    identities: Sequence[str]
    labels: Sequence[int] | None = None
    class_names: Sequence[str] = ()
    fixed: Sequence[str] | None = None

    def contents(self) -> str:
        """What names the contents of all pictures, without decoding them; empty if the identities decide them."""
        return ""

    @abstractmethod
    def open(self, i: int) -> Image.Image:
        """Picture i, in any mode and size.

        Raises:
            OSError: if it cannot be read.
        """
