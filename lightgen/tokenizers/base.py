"""The contract of a tokenizer: images to a grid of ids and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
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

    @staticmethod
    def same_ids(weights: Mapping[str, Tensor], others: Mapping[str, Tensor]) -> bool:
        """Whether two tokenizers with these weights give every picture the same ids: all but the decoder is equal."""
        own, there = (
            {name: tensor for name, tensor in each.items() if not name.startswith("decoder.")}
            for each in (weights, others)
        )
        return own.keys() == there.keys() and all(torch.equal(own[name], there[name]) for name in own)

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
