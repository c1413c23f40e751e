"""Files that are either whole or not there."""

from __future__ import annotations

import functools
import json
import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class NotWritten(OSError):
    """A file that could not be written, in words for whoever wanted it."""


def require_readable(path: Path) -> None:
    """Open a file for reading, where a library's own opening would hide why it cannot.

    Raises:
        OSError: as the system says it.
    """
    with path.open("rb"):
        pass


@contextmanager
def atomic(path: Path, durable: bool = False) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends without an error; its folder is made.

    The file of before is there until the new one is whole. The suffix stays, because image writers choose the format
    by it.

    Args:
        path: of the file.
        durable: whether this holds for a machine that stops, too; it costs some ten milliseconds.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sweep(path.parent.resolve())
    temporary = path.with_name(f".{path.stem}.{_owner()}-{os.getpid()}{path.suffix}")
    try:
        yield temporary
        if durable:
            _sync(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@functools.cache
def sweep(folder: Path) -> None:
    """Remove the temporary files that killed processes of this machine left in a folder, once in a process."""
    pattern = re.compile(rf"\..+\.{re.escape(_owner())}-(\d+)(\.\w+)?")
    for path in folder.iterdir():
        if (match := pattern.fullmatch(path.name)) and not _is_alive(int(match[1])):
            path.unlink(missing_ok=True)


def _owner() -> str:
    return f"lightgen-{platform.node()}"


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def shipped(folder: str = "configs") -> Path:
    """A folder that ships along: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / folder
    return installed if installed.is_dir() else package.parent / folder


def save_json(value: Any, path: Path) -> None:
    """Write a value as indented JSON."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def save_text(text: str, path: Path, durable: bool = False) -> None:
    """Write a text; see `atomic`."""
    with atomic(path, durable) as temporary:
        temporary.write_text(text, encoding="utf-8")
