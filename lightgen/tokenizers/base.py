"""The contract of a tokenizer: images to a grid of ids and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightgen.registry import Component
from lightgen.types import Grid


class Tokenizer(nn.Module, Component):
    """Encodes images (B, C, H, W) in [-1, 1] as ids (B, h, w) in [0, vocab_size), and decodes them."""

    kind: ClassVar[str] = "tokenizer"
    vocab_size: int
    grid: Grid
    num_codes: int = 1
    """M, the codes at each cell of the grid; for M > 1 ids are (B, M, h, w)."""
    channels: int
    image_size: tuple[int, int]
    """Height and width in pixels."""

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Ids (B, h, w) int64 of images (B, C, H, W) in [-1, 1]."""

    @abstractmethod
    def decode(self, ids: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of ids (B, h, w)."""
