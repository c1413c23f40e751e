"""What a prior gives to people: Pillow's pictures, and by what settings each was made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path

from PIL import Image
from torch import Tensor

from lightgen.figures import save_png, sheet
from lightgen.functional.embedded import chunk
from lightgen.functional.pictures import to_pil
from lightgen.settings import Settings

LONGEST_NAME = 60
"""Letters of what a picture is asked for, in the name of its file."""


@dataclass(frozen=True)
class Pictures:
    """Pictures with what made them. A notebook shows them as a sheet."""

    tensor: Tensor
    """(B, C, H, W) uint8."""
    settings: list[Settings]
    """Of each: see `lightgen.settings`."""

    @cached_property
    def images(self) -> list[Image.Image]:
        """Pillow's pictures, whose `save` puts the settings into a PNG."""
        found = to_pil(self.tensor)
        for image, settings in zip(found, self.settings, strict=True):
            # Of this very picture: what Pillow makes of it has Pillow's own.
            image.__dict__["save"] = partial(image.save, pnginfo=chunk(settings))
        return found

    def save(self, out: str | Path) -> list[Path]:
        """Write `out/000000.png` and so on, each with its settings, as `lightgen sample` does; gives their paths.

        Raises:
            OSError: if they cannot be written.
        """
        paths = [Path(out) / picture_name(settings["index"]) for settings in self.settings]
        for image, settings, path in zip(self.tensor, self.settings, paths, strict=True):
            save_png(image, path, settings)
        return paths

    def __len__(self) -> int:
        return len(self.tensor)

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        shown = BytesIO()
        to_pil(sheet(self.tensor, "")[None])[0].save(shown, "PNG")
        return shown.getvalue()


def picture_name(index: int, said: str = "") -> str:
    """The file name of a picture.

    >>> lightgen.made.picture_name(7), lightgen.made.picture_name(7, "A red heart!")
    ('000007.png', '000007-A-red-heart.png')

    Args:
        index: its number.
        said: what it is asked for, of which a few letters are kept.
    """
    words = re.sub(r"[^\w]+", "-", said, flags=re.ASCII).strip("-")[:LONGEST_NAME].strip("-")
    return f"{index:06d}{'-' * bool(words)}{words}.png"
