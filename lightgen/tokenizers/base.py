"""The contract of a tokenizer: images to a grid of ids and back."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightgen.layout import Layout
from lightgen.registry import Component


class Tokenizer(nn.Module, Component):
    """Encodes images (B, C, H, W) in [-1, 1] as ids (B, *cells) in [0, V), and decodes them.

    Where M codes stand at a cell, ids are (B, M, *cells).
    """

    kind: ClassVar[str] = "tokenizer"
    layout: Layout
    """Where its ids stand."""
    channels: int
    image_size: tuple[int, int]
    """Height and width in pixels."""

    @property
    def levels(self) -> tuple[Layout, ...]:
        """The layouts of its ids from coarse to fine, where there are several; then `layout` is the last."""
        return (self.layout,)

    @property
    def decoding(self) -> nn.Module | None:
        """The networks that `decode` runs, whose weights may be narrower; None where there are none."""
        return None

    @abstractmethod
    def encode(self, images: Tensor) -> Tensor:
        """Ids (B, *cells), or (B, M, *cells), int64 of images (B, C, H, W) in [-1, 1]."""

    @abstractmethod
    def decode(self, ids: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of ids as `encode` makes them."""
