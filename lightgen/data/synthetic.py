"""Pictures drawn on the fly, for tests and for trying things out."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageDraw

from lightgen.data.base import ImageData
from lightgen.data.collection import Collection


class SyntheticImages(ImageData):
    """One coloured shape on a coloured ground; the shape is the label. Needs no files.

    Args:
        image_size: see `ImageData`.
        num_images: in all splits together.
        **kwargs: see `ImageData`.
    """

    source: ClassVar[str] = "drawn by lightgen"

    def __init__(self, image_size: int | tuple[int, int] = 32, num_images: int = 1000, **kwargs: Any) -> None:
        super().__init__(image_size, **kwargs)
        self.num_images = num_images

    def collect(self) -> Collection:
        return _Shapes(self.num_images, self.image_size)


class _Shapes(Collection):
    class_names = ("ellipse", "rectangle", "triangle")

    def __init__(self, num_images: int, size: tuple[int, int]) -> None:
        self.size = size
        self.identities = [f"shape-{i}" for i in range(num_images)]
        self.conditions = {"label": np.arange(num_images) % len(self.class_names)}

    def open(self, i: int) -> Image.Image:
        h, w = self.size
        random = hashlib.sha256(str(i).encode()).digest()
        image = Image.new("RGB", (w, h), tuple(random[:3]))
        left, top = w * random[3] // 512, h * random[4] // 512
        right, bottom = left + w // 4 + w * random[5] // 1024, top + h // 4 + h * random[6] // 1024
        draw, colour = ImageDraw.Draw(image), tuple(random[7:10])
        shape = i % len(self.class_names)
        if shape == 0:
            draw.ellipse((left, top, right, bottom), colour)
        elif shape == 1:
            draw.rectangle((left, top, right, bottom), colour)
        else:
            draw.polygon(((left, bottom), ((left + right) // 2, top), (right, bottom)), colour)
        return image
