"""A reference picture: what is made shall be like it."""

from __future__ import annotations

from typing import ClassVar

from lightgen.conditioners.picture_ids import PictureIds
from lightgen.functional.likeness import PICTURE


class Picture(PictureIds):
    """`picture`, the prior's own ids (B, N) of a reference, to tokens that are attended to, and their mean.

    In training it is another picture of the same identity; where there is none, it is the picture itself, of which at
    least half is hidden. Token caches give both (`lightgen.data.CachedTokens`).

    Args:
        dropout: see `Conditioner`; above 0.

    Raises:
        ValueError: if it is out of range.
    """

    source: ClassVar[str] = "Weinbach et al., 2022, arXiv 2212.02936"

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__(1, dropout)

    @property
    def names(self) -> tuple[str, ...]:
        return (PICTURE,)
