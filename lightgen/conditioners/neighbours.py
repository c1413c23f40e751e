"""The pictures of a memory that are nearest to a query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from lightgen.conditioners.picture_ids import PictureIds
from lightgen.functional.likeness import NEIGHBOURS


class Neighbours(PictureIds):
    """`neighbours`, the prior's own ids (B, k, N) of the k nearest pictures of a memory, the nearest first.

    In training they are those of the picture that is learned, which is never among them: see `lightgen.data.index`.

    Args:
        num: k, at least 1.
        dropout: see `Conditioner`; above 0.

    Raises:
        ValueError: if an argument is out of range.
    """

    source: ClassVar[str] = "Chen et al., 2022, arXiv 2209.14491"

    def __init__(self, num: int = 2, dropout: float = 0.1) -> None:
        if num < 1:
            raise ValueError(f"num must be at least 1, not {num}")
        super().__init__(num, dropout)

    @property
    def names(self) -> tuple[str, ...]:
        return (NEIGHBOURS,)

    def require_data(self, conditions: Mapping[str, Sequence[str]] | None) -> None:
        if conditions is not None and NEIGHBOURS not in conditions:
            raise ValueError(self.lacking)

    @property
    def lacking(self) -> str:
        return "the data have no neighbours; `lightgen index --out FOLDER` finds them, and --data CachedTokens " \
               "--data.cache FOLDER trains on them"  # fmt: skip
