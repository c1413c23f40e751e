"""Of several draws of a picture, the one that a judge finds nearest to what was asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightgen.asking import TEXT, in_words
from lightgen.checkpoint import load_scorer
from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.labels import LABEL, Categories

if TYPE_CHECKING:
    from lightgen.scorers.base import Scorer


@dataclass(frozen=True)
class BestOf:
    """Reranking by a scorer (Ramesh et al., 2021, arXiv 2102.12092).

    Draw j of picture i is picture i n + j of the seed, so that each of them can be made again, alone.

    Args:
        num: n, draws of each picture.
        judge: what finds the best of them.

    Raises:
        ValueError: if `num` is below 2.
    """

    num: int
    judge: Scorer

    def __post_init__(self) -> None:
        if not isinstance(self.num, int) or self.num < 2:
            raise ValueError(f"best_of must be a whole number of at least 2, not {self.num!r}")

    def draws(self, index: Tensor) -> Tensor:
        """(B n,) the numbers of the draws of pictures (B,)."""
        return (index[:, None] * self.num + torch.arange(self.num, device=index.device)).flatten()

    def asked(self, condition: Condition) -> Condition:
        """What the draws are asked for, B n rows, where pictures are asked for B."""
        rows = next(iter(condition.tensors.values()), torch.empty(0))
        return condition.select(torch.arange(len(rows), device=rows.device).repeat_interleave(self.num))

    def begin(
        self, completed: Callable[[Condition, Noise], Condition], noise: Noise, asked: Condition, away: Condition
    ) -> tuple[Noise, Condition, Condition]:
        """Random numbers and conditions of the draws, in place of those of B pictures.

        Args:
            completed: what a prior adds to what pictures are asked for; all draws of one are asked for the same, which
                the first of them decides.
            noise: of the pictures.
            asked: what they are asked for.
            away: what guidance goes away from.
        """
        draws = Noise(noise.seed, self.draws(noise.index))
        asked = completed(asked, draws.select(slice(None, None, self.num)))
        return draws, self.asked(asked), self.asked(away)

    @torch.no_grad()
    def best(self, images: Tensor, asked: Condition, categories: Categories) -> Tensor:
        """(B,) which of the draws (B n, C, H, W) uint8 are kept, one of each n.

        Raises:
            ValueError: as `texts`.
        """
        judge, said = self.judge.to(images.device), texts(asked, categories).to(images.device)
        cosine = judge(images, said).view(-1, self.num)
        first = torch.arange(0, len(images), self.num, device=images.device)
        return first + cosine.argmax(1)


def chosen_by(best_of: int, judge: Scorer | str | None) -> BestOf | None:
    """The choice among so many draws, by a scorer or the path of its checkpoint; None for one draw.

    Raises:
        ValueError: if there is one of the two without the other, or no such scorer.
    """
    if best_of == 1 and judge is None:
        return None
    if judge is None:
        raise ValueError(f"best_of {best_of} needs a judge, the checkpoint of a scorer")
    if best_of == 1:
        raise ValueError("a judge chooses among several draws of a picture; say of how many with best_of")
    return BestOf(best_of, load_scorer(judge) if isinstance(judge, str) else judge)


def texts(asked: Condition, categories: Categories) -> Tensor:
    """(B, L) uint8: what pictures are asked for, each its text, or else the name of its class.

    Raises:
        ValueError: if one is asked for neither.
    """
    words = [row.get(TEXT) or (row.get(LABEL) if LABEL in categories else None) for row in in_words(asked, categories)]
    if not words or None in words:
        raise ValueError("a judge needs words: ask for a text, or for a class of a prior whose classes have names")
    return torch.from_numpy(to_bytes([word for word in words if word]))
