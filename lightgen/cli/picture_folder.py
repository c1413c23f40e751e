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
CKPT_PATH = "ckpt_path"
MODELS = ("weights", "tokenizer")
"""Settings that name what is in a checkpoint, by a hash; people name it by the path."""
LONGEST = 100
"""Letters of a value in a line."""


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
    folder: Path,
    record: str,
    settings: dict[str, Any],
    num_images: int,
    overwrite: bool = False,
    ckpt_path: str | None = None,
) -> Iterator[None]:
    """Hold a folder for one command; the same command may come again, or ask for more pictures.

    Args:
        folder: made if it is not there.
        record: the name of the JSON that says how the pictures were made.
        settings: what decides the pictures, as plain data; None is the same as nothing.
        num_images: how many there will be.
        overwrite: remove what other settings made.
        ckpt_path: where what decides them was read from; another path to the same makes the same pictures.

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
            reason = _difference(made, record, found, settings, num_images, ckpt_path)
            if reason:
                raise ValueError(f"{folder} holds {reason}; name another folder with --out, or add --overwrite")
        elif overwrite:
            for name in made:
                (folder / name).unlink()
            found = {}
        if found.get("num_images") != num_images or any(found.get(name) != settings[name] for name in settings):
            path = {} if ckpt_path is None else {CKPT_PATH: ckpt_path}
            save_json({"num_images": num_images, **path, **settings}, folder / record)
        yield


def _difference(
    made: set[str],
    record: str,
    found: dict[str, Any],
    settings: dict[str, Any],
    num_images: int,
    ckpt_path: str | None,
) -> str | None:
    """What a folder holds that a command with such settings would not make."""
    if others := {name for name in made if name.endswith(".json")} - {record}:
        return f"what another command made ({min(others)})"
    if not found:
        return f"pictures, and no {record} that says how they were made"
    pairs = {name: (found.get(name), value) for name, value in settings.items() if found.get(name) != value}
    before = found.get(CKPT_PATH)
    if before not in (None, ckpt_path) and any(name in MODELS for name in pairs):
        # All else that differs may follow from it.
        return f"pictures made with {CKPT_PATH} {before}, not {ckpt_path}"
    if pairs:
        name = min(pairs, key=lambda name: max(map(_strangeness, pairs[name])))
        if max(map(_strangeness, pairs[name])):
            if pairs[name][0] is None:
                return f"pictures made without {name!r}"
            return f"pictures made otherwise (see {name!r} in {record})"
        was, wanted = (f"{value!s:.{LONGEST}}" + "…" * (len(str(value)) > LONGEST) for value in pairs[name])
        return f"pictures made with {name} {was}, not {wanted}"
    count = sum(1 for name in made if (match := PICTURE.fullmatch(name)) and int(match[1]) >= num_images)
    return f"{num_images + count} pictures, more than the {num_images} asked for" if count else None


def _strangeness(value: Any) -> int:
    """How little a value tells people who typed it, or did not: 0 as it was typed, 1 a component, 2 a hash."""
    if isinstance(value, list):
        return max(map(_strangeness, value), default=0)
    if isinstance(value, str):
        return 2 * bool(HASH.fullmatch(value))
    return int(isinstance(value, dict))


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        return {}
    return found if isinstance(found, dict) else {}
