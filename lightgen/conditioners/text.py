"""Text, attended to token by token and as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.condition import Condition, Context, weighed
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.functional.text import CAPTION
from lightgen.text_encoders.base import TextEncoder
from lightgen.text_encoders.word_pieces import WordPieces

PAINTED = "painted"
"""What regions of words are called among conditions."""


class Text(Conditioner):
    """`caption`, as bytes (B, L) uint8 or as the encoder's features (B, L, C): tokens to attend to, and their mean.

    `painted` (B, h w, max_length) in [0, 1] says which cells are to attend more to which tokens.

    A text without tokens, a hidden one, one of weight 0 and none at all are the same to the last bit.

    Args:
        encoder: of the texts; None is `WordPieces`.
        dropout: see `Conditioner`.
    """

    attended = True
    source: ClassVar[str] = "Rombach et al., 2022, arXiv 2112.10752; Chang et al., 2023, arXiv 2301.00704"

    def __init__(self, encoder: TextEncoder | None = None, dropout: float = 0.1) -> None:
        super().__init__(dropout)
        self.encoder = encoder or WordPieces()

    @property
    def names(self) -> tuple[str, ...]:
        return (CAPTION, PAINTED)

    @property
    def num_tokens(self) -> int:
        return self.encoder.max_length

    def attach(self, dim: int) -> None:
        width = self.encoder.dim
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, dim)
        # Without a bias, so that nothing is added where there is no text.
        self.pool = nn.Linear(width, dim, bias=False)
        nn.init.normal_(self.pool.weight, std=(width * dim) ** -0.5)

    def forward(self, condition: Condition, num_rows: int) -> Context:
        features = self._features(condition)
        if features is None:
            features = self.pool.weight.new_zeros(num_rows, self.encoder.max_length, self.encoder.dim)
        there = (features != 0).any(-1)
        x = self.norm(features.to(self.pool.weight.dtype))
        share = there / there.sum(1, keepdim=True).clamp(min=1)
        mean = (x * share.unsqueeze(-1).to(x.dtype)).sum(1, keepdim=True)
        bias = torch.zeros_like(share).masked_fill(~there, -torch.inf)
        context = Context(self.pool(mean), self.project(x), bias, regions=self._regions(condition))
        return weighed(context, condition.weights.get(CAPTION))

    def ahead(self, condition: Condition) -> Condition:
        features = self._features(condition) if self.encoder.frozen else None
        if features is None:
            return condition
        return Condition({**condition.tensors, CAPTION: features}, condition.hidden, condition.weights)

    def hide(self, condition: Condition, noise: Noise, position: int = 0) -> Condition:
        if CAPTION not in condition.tensors:
            raise ValueError("the data have no captions, which the conditioner Text is trained with; "
                             "--data.captions NAME takes that column, or NAME.txt beside each picture")  # fmt: skip
        return super().hide(condition, noise, position)

    def learn(self, texts: Sequence[str]) -> None:
        self.encoder.learn(texts)

    def require(self, condition: Condition) -> None:
        caption, painted = (condition.tensors.get(name) for name in (CAPTION, PAINTED))
        if painted is not None and (painted.ndim != 3 or painted.shape[2] != self.encoder.max_length):
            raise ValueError(f"{PAINTED} must be (B, h w, {self.encoder.max_length}) float, "
                             f"not {tuple(painted.shape)}")  # fmt: skip
        if caption is None or (caption.ndim == 2 and caption.dtype == torch.uint8):
            return
        if caption.ndim != 3 or not caption.is_floating_point() or caption.shape[2] != self.encoder.dim:
            raise ValueError(f"caption must be (B, L) uint8 or (B, L, {self.encoder.dim}) float, "
                             f"not {tuple(caption.shape)} {caption.dtype}")  # fmt: skip

    def _regions(self, condition: Condition) -> Tensor | None:
        painted = condition.tensors.get(PAINTED)
        if painted is not None and PAINTED in condition.hidden:
            painted = painted.masked_fill(condition.hidden[PAINTED][:, None, None], 0)
        return painted

    def _features(self, condition: Condition) -> Tensor | None:
        caption = condition.tensors.get(CAPTION)
        if caption is None:
            return None
        if CAPTION in condition.hidden:
            caption = caption.masked_fill(condition.hidden[CAPTION].view(-1, *[1] * (caption.ndim - 1)), 0)
        features: Tensor = caption if caption.is_floating_point() else self.encoder(caption)
        return features
