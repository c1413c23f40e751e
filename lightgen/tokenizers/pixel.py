"""Pixels as tokens."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from lightgen.layout import Layout
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import to_uint8, to_unit


class PixelTokenizer(Tokenizer):
    """The identity on 8-bit grey levels: 256 codes, one token a pixel, nothing to train.

    Args:
        image_size: (H, W), or one number for squares.
    """

    source: ClassVar[str] = "McKinney and Willcocks, 2022, arXiv 2206.12351 (MNIST configurations)"

    def __init__(self, image_size: int | tuple[int, int] = 28) -> None:
        super().__init__()
        height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
        self.image_size = (height, width)
        self.layout = Layout(self.image_size, 256)
        self.channels = 1

    def encode(self, images: Tensor) -> Tensor:
        return to_uint8(images).squeeze(1).long()

    def decode(self, ids: Tensor) -> Tensor:
        return to_unit(ids.to(torch.uint8)).unsqueeze(1)
