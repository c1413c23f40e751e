"""The folder that a command writes pictures to. It holds what one command line makes, so that nobody scores a mixture.

The record beside the pictures says by what settings they are made. It is there from the start, and complete at the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lightgen.functional.files import save_json

PICTURE = re.compile(r"(\d{6,})(?:-[\w-]+)?\.png")
GENERATED = re.compile(
    rf"{PICTURE.pattern}|grid\.png|sheet\.png|steps\.gif|(samples|inpaint|edit|grid)\.json|grid\.html"
)
RECONSTRUCTED = re.compile(r"reconstructions\.png|scores\.json")
"""What the commands write; those that number their pictures share a folder with no other such."""
HASH = re.compile("[0-9a-f]{16}")


def add_options(made: Any, default: str, files: str) -> None:
    """Where pictures go to."""
    made.add_argument("--out", type=Path, default=Path(default), help=f"folder for {files}")
    made.add_argument(
        "--overwrite",
        action="store_true",
        help="remove pictures of other settings from the folder, which is refused otherwise",
    )


@contextmanager
def writing(
    folder: Path, record: str, settings: dict[str, Any], num_images: int, overwrite: bool = False
) -> Iterator[None]:
    """Hold a folder for one command; the same command may come again, or ask for more pictures.

    Args:
        folder: made if it is not there.
        record: the name of the JSON that says how the pictures were made.
        settings: what decides the pictures, as plain data.
        num_images: how many there will be.
        overwrite: remove what other settings made.

    Raises:
        ValueError: if the folder holds other pictures, or another process writes to it.
        OSError: if it cannot be written.
    """
    settings = json.loads(json.dumps(settings))
    ours = RECONSTRUCTED if RECONSTRUCTED.fullmatch(record) else GENERATED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0).acquire()
    except Timeout:
        raise ValueError(
            f"another command is writing to {folder}; wait for it, or name another folder with --out"
        ) from None
    with lock:
        made = {path.name for path in folder.iterdir() if ours.fullmatch(path.name)}
        found = _read(folder / record) if record in made else {}
        if made - {record} and not overwrite:
            reason = _difference(made, record, found, settings, num_images)
            if reason:
                raise ValueError(f"{folder} holds {reason}; name another folder with --out, or add --overwrite")
        elif overwrite:
            for name in made:
                (folder / name).unlink()
            found = {}
        if found.get("num_images") != num_images or any(found.get(name) != settings[name] for name in settings):
            save_json({"num_images": num_images, **settings}, folder / record)
        yield


def _difference(
    made: set[str], record: str, found: dict[str, Any], settings: dict[str, Any], num_images: int
) -> str | None:
    """What a folder holds that a command with such settings would not make."""
    if others := {name for name in made if name.endswith(".json")} - {record}:
        return f"what another command made ({min(others)})"
    if not found:
        return f"pictures, and no {record} that says how they were made"
    for name, value in settings.items():
        before = found.get(name)
        if before != value:
            if name in found and not any(isinstance(one, dict) or HASH.fullmatch(str(one)) for one in (before, value)):
                return f"pictures made with {name} {before}, not {value}"
            return f"pictures made otherwise (see {name!r} in {record})"
    count = sum(1 for name in made if (match := PICTURE.fullmatch(name)) and int(match[1]) >= num_images)
    return f"{num_images + count} pictures, more than the {num_images} asked for" if count else None


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}
