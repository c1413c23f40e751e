"""How well pictures fit the captions that they were asked for by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from lightgen.functional.contrastive import recall_at_one
from lightgen.functional.text import keys
from lightgen.scorers.base import Scorer
from lightgen.scorers.remembering import Remembering

NUM_TEXTS = 100
COSINE = "CLIP score (cosine)"
"""In [-1, 1]; torchmetrics' is a hundred times as much."""


def recall_name(num_texts: int) -> str:
    """What R@1 among so many captions is called."""
    return f"R@1 of {num_texts}"


class CaptionScores(Metric):
    """CLIP score, the mean cosine of pictures and their captions (Hessel et al., 2021, arXiv 2104.08718), and R@1.

    Only embeddings are kept and gathered over ranks.

    Args:
        scorer: judges; it is no part of the metric's state.
        num_texts: different captions of which each picture chooses one; where there are fewer, all, and the name of the
            score says how many.
        seed: of the draw of the others.
    """

    images: list[Tensor]
    texts: list[Tensor]
    keys: list[Tensor]
    full_state_update = False

    def __init__(self, scorer: Scorer | Remembering, num_texts: int = NUM_TEXTS, seed: int = 0) -> None:
        super().__init__()
        self._scorer = (scorer,)
        self.num_texts, self.seed = num_texts, seed
        for name in ("images", "texts", "keys"):
            self.add_state(name, [], dist_reduce_fx="cat")

    @torch.no_grad()
    def update(self, images: Tensor, captions: Tensor) -> None:
        """Add pictures (B, C, H, W) and the captions (B, L) uint8 that they were asked for by."""
        scorer = self._scorer[0]
        self.images.append(scorer.embed_images(images))
        self.texts.append(scorer.embed_texts(captions))
        self.keys.append(keys(captions).to(images.device))

    def sync(self, *args: Any, **kwargs: Any) -> None:
        """Gather over ranks; a rank that saw no picture takes part with none."""
        if isinstance(self.images, list) and not self.images:
            dim = self._scorer[0].dim
            self.images.append(torch.empty(0, dim, device=self.device))
            self.texts.append(torch.empty(0, dim, device=self.device))
            self.keys.append(torch.empty(0, dtype=torch.int64, device=self.device))
        super().sync(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """Both by name; without R@1 where all captions are the same, and nothing where there are no pictures."""
        images, texts, names = (dim_zero_cat(part) for part in (self.images, self.texts, self.keys))
        if not len(images):
            return {}
        found = {COSINE: (images * texts).sum(1).mean()}
        if (num_texts := min(self.num_texts, len(names.unique()))) > 1:
            found[recall_name(num_texts)] = recall_at_one(images, texts, names, num_texts, self.seed)
        return found
