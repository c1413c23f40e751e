"""Plain data inside a PNG, in a text chunk of their own (PNG, third edition, 11.3.3.4 iTXt), to travel with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

KEYWORD = "lightgen"


def chunk(data: Mapping[str, Any]) -> PngInfo:
    """What Pillow's `save` takes as `pnginfo`."""
    info = PngInfo()
    info.add_itxt(KEYWORD, json.dumps(data, ensure_ascii=False))
    return info


def embedded(file: Path | IO[bytes], name: str) -> dict[str, Any]:
    """The data in a PNG, whoever wrote them.

    Args:
        file: its path, or opened.
        name: what to call it.

    Raises:
        OSError: if it cannot be read.
        ValueError: in one line, if it is no PNG, carries no data, or damaged ones.
    """
    try:
        with Image.open(file, formats=["PNG"]) as image:
            assert isinstance(image, PngImageFile)
            text = image.text.get(KEYWORD)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise ValueError(f"{name} cannot be read as a PNG, where lightgen puts what made a picture") from None
    if text is None:
        raise ValueError(f"{name} carries no settings: lightgen did not write it, or a program that wrote it since "
                         "left them out")  # fmt: skip
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise ValueError(f"the settings in {name} are damaged")
    return data
