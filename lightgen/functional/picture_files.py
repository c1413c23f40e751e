"""Pictures in files: which there are, and one that is read."""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from PIL import Image, ImageOps

from lightgen.functional.files import require_readable

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp"))
UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, zipfile.BadZipFile, RuntimeError,
              Image.DecompressionBombError)  # fmt: skip
"""What is raised for files that are damaged, or far too large. RuntimeError is Pillow's for AVIF."""


def read_upright(path: Path) -> Image.Image:
    """The picture in a file, turned as a camera says.

    Raises:
        OSError: if the file may not be read.
        ValueError: if there is none that can be read.
    """
    if not path.is_file():
        raise ValueError(f"no picture at {path}")
    require_readable(path)
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image)
    except UNREADABLE as error:
        raise ValueError(f"{path} cannot be read as a picture") from error


def pictures_under(root: Path) -> list[Path]:
    """The files in a folder, and in those below it, that are pictures by their names, sorted."""
    return sorted(path for path in files_under(root) if is_picture(PurePosixPath(path.relative_to(root))))


def files_under(root: Path) -> Iterator[Path]:
    """The files in a folder and those below it; linked folders come last, without those that were there already."""
    seen: set[str] = set()
    tops = [root]
    # The list grows while links are found.
    for top in tops:
        if top != root and root.resolve().is_relative_to(top.resolve()):
            continue
        for folder, folders, files in os.walk(top):
            if os.path.realpath(folder) in seen:
                folders.clear()
                continue
            seen.add(os.path.realpath(folder))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            tops += [path for path in (Path(folder, name) for name in folders) if path.is_symlink()]
            yield from (path for path in (Path(folder, name) for name in files) if path.is_file())


def is_picture(path: PurePosixPath) -> bool:
    """Whether a file is one by its name; systems leave hidden ones about, some of which have a picture's suffix."""
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    return path.suffix.lower() in SUFFIXES and not hidden
