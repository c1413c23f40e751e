"""A text as a whole and token by token, and numbers of the picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from lightgen.condition import Condition, Context
from lightgen.conditioners.text import Text
from lightgen.conditioners.text_prefix import away_from
from lightgen.functional.text import CAPTION
from lightgen.text_encoders.base import TextEncoder

FREQUENCIES = 128
"""Of each number."""


class PooledText(Text):
    """`caption`, as `Text` reads it: its first row and five numbers as a vector, its others as tokens to attend to.

    Learned features stand for a text that is hidden, or says nothing. A weight is how far a text's are from them.

    Args:
        encoder: of the texts, of which the first row stands for the whole, as `CLIPText`; None is `WordPieces`.
        numbers: micro-conditions: width and height of the pictures, what was cut off at the left and at the top, and
            how beautiful they are, from 0 to 10.
        dropout: see `Conditioner`.

    Raises:
        ValueError: if there are not five numbers.
    """

    source: ClassVar[str] = "Podell et al., 2023, arXiv 2307.01952; Patil et al., 2024, arXiv 2401.01808"
    waves: Tensor
    """(5 x 2 x 128,) cosines and sines of the numbers."""

    def __init__(
        self, encoder: TextEncoder | None = None, numbers: Sequence[float] = (256, 256, 0, 0, 6), dropout: float = 0.1
    ) -> None:
        super().__init__(encoder, dropout)
        if len(numbers) != 5:
            raise ValueError(f"numbers must be five, not {len(numbers)}")
        self.numbers = tuple(numbers)

    @property
    def num_tokens(self) -> int:
        return self.encoder.max_length - 1

    def attach(self, dim: int) -> None:
        width = self.encoder.dim
        # Follows from the numbers, also where a network is made without weights.
        with torch.device("cpu"):
            angles = torch.tensor(self.numbers)[:, None] * torch.exp(
                -math.log(10_000) / FREQUENCIES * torch.arange(FREQUENCIES)
            )
            self.register_buffer("waves", torch.cat([angles.cos(), angles.sin()], 1).flatten(), persistent=False)
        self.null = nn.Parameter(torch.randn(self.encoder.max_length, width) * width**-0.5)
        self.to_tokens = nn.Sequential(nn.Linear(width, dim, bias=False), nn.RMSNorm(dim, 1e-6))
        self.to_vector = nn.Sequential(
            nn.Linear(width + self.waves.numel(), dim, bias=False), nn.SiLU(), nn.Linear(dim, dim, bias=False)
        )

    def forward(self, condition: Condition, num_rows: int) -> Context:
        features = self._features(condition)
        if features is None:
            features = self.null.new_zeros(num_rows, *self.null.shape)
        features = pad(features, (0, 0, 0, self.encoder.max_length - features.shape[1])).to(self.null.dtype)
        there = (features != 0).any(-1)
        nothing = ~there.any(1, keepdim=True)
        if CAPTION in condition.weights:
            nothing = nothing | (condition.weights[CAPTION] == 0).unsqueeze(1)
        features = torch.where(nothing.unsqueeze(-1), self.null, away_from(self.null, features, condition))
        whole, tokens = features[:, :1], features[:, 1:]
        waves = self.waves.to(whole.dtype).expand(len(whole), 1, -1)
        bias = torch.zeros(tokens.shape[:2], device=tokens.device).masked_fill(~(there | nothing)[:, 1:], -torch.inf)
        painted = self._regions(condition)
        regions = None if painted is None else painted[..., 1:]
        return Context(self.to_vector(torch.cat([whole, waves], -1)), self.to_tokens(tokens), bias, regions=regions)
