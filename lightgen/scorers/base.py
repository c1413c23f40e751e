"""The contract of a scorer: pictures and texts to vectors, whose cosine says how well they fit."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightgen.registry import Component
from lightgen.types import to_unit


class Scorer(nn.Module, Component):
    """A judge of pictures and what they were asked for, which metrics, reranking and guidance share.

    Pictures are uint8 (B, 1 or 3, H, W), or float in [-1, 1], which gradients flow to; they may be of any size. Texts
    are bytes (B, L): see `lightgen.functional.text`.
    """

    kind: ClassVar[str] = "scorer"

    dim: int
    """E, of the vectors."""

    @property
    @abstractmethod
    def scale(self) -> Tensor:
        """What a cosine is multiplied by before the softmax, a scalar."""

    @abstractmethod
    def embed_images(self, images: Tensor) -> Tensor:
        """Unit vectors (B, E) of pictures."""

    @abstractmethod
    def embed_texts(self, texts: Tensor) -> Tensor:
        """Unit vectors (B, E) of texts."""

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """The cosine (B,) of each picture with its text, in [-1, 1]."""
        return (self.embed_images(images) * self.embed_texts(texts)).sum(1)


def pixels(images: Tensor) -> Tensor:
    """Pictures as float (B, 3, H, W) in [-1, 1]; grey ones get three channels.

    Raises:
        ValueError: if they are no pictures.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"pictures must be (B, 1 or 3, H, W), not {tuple(images.shape)}")
    return (images if images.is_floating_point() else to_unit(images)).expand(-1, 3, -1, -1)
