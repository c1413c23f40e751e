"""A text as the beginning of a sequence."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lightgen.condition import Condition, Context
from lightgen.conditioners.text import Text
from lightgen.functional.text import CAPTION


class TextPrefix(Text):
    """`caption`, as `Text` reads it, to L tokens that end with the last of the text, so that a picture can follow.

    Learned features stand for a text that is hidden, and of these as many are seen as it has tokens; all of them where
    there is no text. A weight is how far a text's features are from them.

    Args:
        encoder: of the texts; None is `WordPieces`.
        dropout: see `Conditioner`.
    """

    source: ClassVar[str] = "Sun et al., 2024, arXiv 2406.06525"

    @property
    def names(self) -> tuple[str, ...]:
        return (CAPTION,)

    def attach(self, dim: int) -> None:
        length, width = self.encoder.max_length, self.encoder.dim
        self.null = nn.Parameter(torch.randn(length, width) * width**-0.5)
        self.to_tokens = nn.Sequential(
            nn.Linear(width, dim, bias=False), nn.GELU("tanh"), nn.Linear(dim, dim, bias=False)
        )

    def forward(self, condition: Condition, num_rows: int) -> Context:
        features = self._features(Condition(condition.tensors))
        if features is None:
            features = self.null.new_zeros(num_rows, *self.null.shape)
        features = pad(features, (0, 0, 0, self.num_tokens - features.shape[1]))
        there = (features != 0).any(-1)
        num, place = there.sum(1, keepdim=True), torch.arange(self.num_tokens, device=there.device)
        hidden = condition.hidden.get(CAPTION, torch.zeros_like(there[:, 0])) | ~there.any(1)
        features = features.gather(1, ((place + num) % self.num_tokens).unsqueeze(-1).expand_as(features))
        features = away_from(self.null, features.to(self.null.dtype), condition)
        features = torch.where(hidden[:, None, None], self.null, features)
        seen = (place >= self.num_tokens - num) | (num == 0)
        bias = torch.zeros_like(seen, dtype=torch.float32).masked_fill(~seen, -torch.inf)
        tokens: Tensor = self.to_tokens(features)
        return Context(tokens=tokens, bias=bias)

    def ahead(self, condition: Condition) -> Condition:
        told = super().ahead(Condition(condition.tensors))
        return Condition(told.tensors, condition.hidden, condition.weights)


def away_from(null: Tensor, features: Tensor, condition: Condition) -> Tensor:
    """Features (B, L, C) of texts, which are those of nothing, (L, C), at weight 0, and as they are at 1."""
    weight = condition.weights.get(CAPTION)
    return features if weight is None else torch.lerp(null, features, weight.to(null.dtype)[:, None, None])
