"""Files that torch wrote, read without running anything that is in them."""

from __future__ import annotations

import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import torch

from lightgen.functional.files import require_readable

CODE = ("unsupported global", "unrecognized function", "can only create new object")
"""What torch says, in lower case, of a pickle that asks for more than data."""


def read_torch(path: Path) -> Any:
    """What a file holds, on the CPU.

    Args:
        path: of a file that is there.

    Raises:
        OSError: if it may not be read.
        ValueError: in one line, if it is damaged or none of torch's, or carries pickled code (which is refused, not
            run).
    """
    require_readable(path)
    is_archive = zipfile.is_zipfile(path)
    # torch writes the checksums of the format, but does not look at them.
    if is_archive and not _is_whole(path):
        raise ValueError(f"{path} is damaged: the checksum of a part of it is wrong")
    try:
        with warnings.catch_warnings():
            # torch wonders about pickles that it is about to refuse.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Of any file at all torch reads what would be code in it if it were a pickle.
        if (is_archive or _begins_as_pickle(path)) and any(words in str(error).lower() for words in CODE):
            raise ValueError(f"{path} carries pickled code and was refused; nothing in it was executed") from None
        raise ValueError(f"{path} is not a checkpoint, or is damaged") from None


def _is_whole(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError):
        return False


def _begins_as_pickle(path: Path) -> bool:
    """Whether a file begins as those of torch before 1.6 do, which are pickles in a row."""
    with path.open("rb") as file:
        return file.read(1) == b"\x80"
