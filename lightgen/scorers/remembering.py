"""What frozen encoders say of pictures and texts is worked out once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor

from lightgen.scorers.contrastive import Contrastive

MOST_BYTES = 1 << 30
"""Of results that are kept in memory."""


class Kept:
    """A function of rows of bytes whose results never change, called once for each different row.

    Args:
        function: of rows (B, ...) uint8; gives (B, C).
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function
        self.found: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def __call__(self, rows: Tensor) -> Tensor:
        """(B, C)."""
        names = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows.cpu().numpy()]
        news = {name: i for i, name in enumerate(names) if name not in self.found}
        made = dict(zip(news, self.function(rows[[*news.values()]]), strict=True)) if news else {}
        results = torch.stack([made[name] if name in made else self.found[name] for name in names])
        if len(self.found) * results[0].nbytes < MOST_BYTES:
            self.found |= made
        return results


class Remembering:
    """A scorer on its way through training, which remembers what its frozen encoders found.

    Args:
        scorer: what is trained.
    """

    def __init__(self, scorer: Contrastive) -> None:
        self.scorer, self.dim = scorer, scorer.dim
        image, text = scorer.image_encoder.frozen, scorer.text_encoder.frozen
        self._image_features = Kept(scorer.image_features) if image else scorer.image_features
        self._text_features = Kept(scorer.text_features) if text else scorer.text_features

    def embed_images(self, images: Tensor) -> Tensor:
        """See `Scorer`; no gradient flows to pictures."""
        return self.scorer.project_images(self._image_features(images))

    def embed_texts(self, texts: Tensor) -> Tensor:
        """See `Scorer`."""
        return self.scorer.project_texts(self._text_features(texts))
