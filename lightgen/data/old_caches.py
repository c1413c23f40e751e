"""Token caches of format 1 held classes and no other condition; here they become caches of today."""

from __future__ import annotations

from typing import Any

from lightgen.data.base import SPLITS

RENAMED = {f"{split}-labels": f"{split}-condition-label" for split in SPLITS}


def from_format_1(entry: dict[str, Any]) -> dict[str, Any]:
    """What `cache.json` of a cache of format 1 says, as a `Header` has it."""
    labels = entry.pop("labels")
    return {**entry, "conditions": {"label": {"dtype": "int64", "shape": []}} if labels else {}}


def stem_of(name: str) -> str:
    """What a file of a cache holds, by its name, without checksum and suffix."""
    written = name.split(".")[0]
    return RENAMED.get(written, written)
