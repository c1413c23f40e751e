"""Icons drawn into a folder of pictures with captions, which `ImageFolder` and Hugging Face's imagefolder read.

noto/waving-hand.png     one folder for each style; transparent where nothing is drawn
metadata.jsonl           a line for each picture: file_name, text, style, class, codepoint; written at the end
NOTICE                   whose the pictures are, and under which licences
icons.json               what decides the pictures
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightgen.data.iconify import FREE, SHARE_ALIKE, Icon, icons, read_sets
from lightgen.functional.files import atomic, save_json, save_text

Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
LARGEST = 4096
ORIGIN = """The pictures in this folder were drawn by lightgen from the SVG files of these sets, as the npm package
@iconify/json has them, and not changed otherwise."""


@dataclass(frozen=True)
class Drawn:
    """What `draw` has made: pictures of each style, and how many of them were there already."""

    counts: Mapping[str, int]
    found: int


def draw(source: Path, folder: Path, size: int, progress: Progress, share_alike: bool = False) -> Drawn:
    """Draw the sets of a package that are free, but for the pictures that are in the folder.

    Args:
        source: the npm package @iconify/json, a .tgz.
        folder: made if it is not there.
        size: pixels of a side.
        progress: of what is done, how much and of what, makes the function that is told of every picture done.
        share_alike: also draw the sets under CC-BY-SA.

    Raises:
        ValueError: if the package cannot be read, resvg-py is missing, the size is out of range, or the folder holds
            anything else.
    """
    if not 1 <= size <= LARGEST:
        raise ValueError(f"size must be in [1, {LARGEST}], not {size}")
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise ValueError('drawing icons needs: pip install "lightgen[icons]"') from None
    if not source.is_file():
        raise ValueError(f"no package at {source}; `npm pack @iconify/json` gets it")
    sets = read_sets(source, {**FREE, **SHARE_ALIKE} if share_alike else FREE)
    _hold(folder, {"size": size, "styles": list(sets), "package": _digest(source)})
    there = {path.relative_to(folder).as_posix() for path in folder.glob("*/*.png")}
    made, broken = [], []
    plan = list(icons(sets))
    with progress(f"drawing {len(plan)} icons to {folder}", len(plan), "icons") as advance:
        for icon in plan:
            name = f"{icon.style}/{icon.name}.png"
            if name not in there:
                try:
                    drawn = svg_to_bytes(svg_string=icon.svg(size), skip_system_fonts=True)
                except ValueError:
                    broken.append(name)
                    continue
                with atomic(folder / name) as temporary:
                    temporary.write_bytes(drawn)
            made.append((name, icon))
            advance(1)
    if broken:
        warnings.warn(f"{len(broken)} icons cannot be drawn and are left out: {', '.join(broken[:3])}", stacklevel=2)
    lines = [json.dumps(_row(name, icon), ensure_ascii=False) + "\n" for name, icon in made]
    counts = Counter(icon.style for _, icon in made)
    save_text(_notice(sets, counts), folder / "NOTICE")
    save_text("".join(lines), folder / "metadata.jsonl")
    return Drawn(counts, sum(name in there for name, _ in made))


def _row(name: str, icon: Icon) -> dict[str, Any]:
    return {"file_name": name, "text": list(icon.captions), "style": icon.style, "class": icon.group,
            "codepoint": icon.codepoint}  # fmt: skip


def _hold(folder: Path, settings: dict[str, Any]) -> None:
    """Refuse a folder that holds anything but pictures of the same settings, and write these."""
    record = folder / "icons.json"
    if record.is_file():
        try:
            found = json.loads(record.read_text(encoding="utf-8"))
        except ValueError:
            found = {}
        if found != settings:
            before = found.get("size") if isinstance(found, dict) else None
            what = f"icons of {before} pixels" if before not in (None, settings["size"]) else "icons of other sets"
            raise ValueError(f"{folder} holds {what}; name another folder with --out, or delete it")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} holds something else; name a new folder with --out")
    save_json(settings, record)


def _digest(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _notice(sets: Mapping[str, Mapping[str, Any]], counts: Mapping[str, int]) -> str:
    parts = [ORIGIN]
    for style, one in sets.items():
        info = one["info"]
        author, licence = info.get("author") or {}, info["license"]
        lines = (
            f"{style}: {info.get('name', style)}, {counts.get(style, 0)} pictures",
            f"  by {author.get('name', 'unknown')}, {author.get('url', '')}".rstrip(", "),
            f"  {licence.get('title', '')} ({licence['spdx']}), {licence.get('url', '')}".rstrip(", "),
        )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
