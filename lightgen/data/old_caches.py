"""Token caches of earlier formats, translated as they are read.

1    held classes and no other condition
2    had the names of classes, and of no other category, as `class_names`
"""

from __future__ import annotations

from typing import Any

from lightgen.data.base import SPLITS

RENAMED = {f"{split}-labels": f"{split}-condition-label" for split in SPLITS}


def from_format_1(entry: dict[str, Any]) -> dict[str, Any]:
    """What `cache.json` of a cache of format 1 says, as one of format 2 does."""
    labels = entry.pop("labels")
    return {**entry, "conditions": {"label": {"dtype": "int64", "shape": []}} if labels else {}}


def from_format_2(entry: dict[str, Any]) -> dict[str, Any]:
    """The same of format 2."""
    names = entry.pop("class_names")
    return {**entry, "categories": {"label": names} if names else {}}


def stem_of(name: str) -> str:
    """What a file of a cache holds, by its name, without checksum and suffix."""
    written = name.split(".")[0]
    return RENAMED.get(written, written)
