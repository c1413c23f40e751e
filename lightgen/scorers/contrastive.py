"""A scorer of one's own: an image encoder and a text encoder that meet in one space."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lightgen.scorers.base import Scorer, pixels
from lightgen.scorers.image_encoders import ImageEncoder
from lightgen.text_encoders.base import TextEncoder

FIRST_SCALE, LARGEST_SCALE = 1 / 0.07, 100.0


class Contrastive(Scorer):
    """Two encoders, each with a projection, trained to tell the pairs of a batch from all others.

    Args:
        image_encoder: pictures to features.
        text_encoder: texts to features of their tokens, of which the mean is taken.
        dim: E, of the space that they meet in.
        hidden: width of the layer between features and E; 0 projects them as they are, as CLIP does.
        dropout: of the features and of the layer between, in training.

    Raises:
        ValueError: if a number is out of range.
    """

    source: ClassVar[str] = "Radford et al., 2021, arXiv 2103.00020"

    def __init__(
        self,
        image_encoder: ImageEncoder,
        text_encoder: TextEncoder,
        dim: int = 256,
        hidden: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        for name, number, least in (("dim", dim, 1), ("hidden", hidden, 0)):
            if number < least:
                raise ValueError(f"{name} must be at least {least}, not {number}")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout must be in [0, 1), not {dropout}")
        self.dim = dim
        self.image_encoder, self.text_encoder = image_encoder, text_encoder
        self.image_head = projection(image_encoder.dim, dim, hidden, dropout)
        self.text_head = projection(text_encoder.dim, dim, hidden, dropout)
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    @property
    def scale(self) -> Tensor:
        return self.log_scale.clamp_max(math.log(LARGEST_SCALE)).exp()

    def embed_images(self, images: Tensor) -> Tensor:
        return self.project_images(self.image_features(images))

    def embed_texts(self, texts: Tensor) -> Tensor:
        return self.project_texts(self.text_features(texts))

    def image_features(self, images: Tensor) -> Tensor:
        """(B, C) of pictures, before the projection."""
        features: Tensor = self.image_encoder(pixels(images))
        return features

    def text_features(self, texts: Tensor) -> Tensor:
        """(B, C) of texts, before the projection: the mean over tokens."""
        features: Tensor = self.text_encoder(texts)
        there = (features != 0).any(2, keepdim=True)
        return features.sum(1) / there.sum(1).clamp_min(1)

    def project_images(self, features: Tensor) -> Tensor:
        """Unit vectors (B, E) of features (B, C) of pictures."""
        return normalize(self.image_head(features), dim=1)

    def project_texts(self, features: Tensor) -> Tensor:
        """Unit vectors (B, E) of features (B, C) of texts."""
        return normalize(self.text_head(features), dim=1)


def projection(features: int, dim: int, hidden: int, dropout: float) -> nn.Module:
    """From features (B, C) to (B, E); the norm makes encoders alike whose features are not."""
    if not hidden:
        return nn.Sequential(nn.LayerNorm(features), nn.Dropout(dropout), nn.Linear(features, dim, bias=False))
    return nn.Sequential(
        nn.LayerNorm(features), nn.Dropout(dropout), nn.Linear(features, hidden), nn.GELU(), nn.Dropout(dropout),
        nn.Linear(hidden, dim, bias=False),
    )  # fmt: skip
