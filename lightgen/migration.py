"""Checkpoints of earlier versions, translated as they are read.

0.1    `sampler`, `warps` and `guidance` stood beside each other in a prior; now they are its `recipe`
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Description = dict[str, Any]
"""A component as plain data: see `lightgen.registry.describe`."""


def migrate(contents: dict[str, Any], key: str) -> None:
    """Bring a checkpoint's contents, in place, to the form of this version.

    Args:
        contents: of the file.
        key: where it says what it holds.
    """
    entry = contents[key]
    if str(entry["version"]).startswith("0.1."):
        entry["component"] = _walked(entry["component"], _FROM_0_1)


def component(kind: str, name: str, **arguments: Any) -> Description:
    """The description of a component."""
    return {"kind": kind, "name": name, "arguments": arguments}


def _walked(value: Any, changes: dict[str, Callable[[Description], None]]) -> Any:
    """A description with every component in it changed, by its kind, from the inside out."""
    if isinstance(value, dict):
        value = {name: _walked(part, changes) for name, part in value.items()}
        if value.keys() == {"kind", "name", "arguments"} and value["kind"] in changes:
            changes[value["kind"]](value["arguments"])
        return value
    return [_walked(part, changes) for part in value] if isinstance(value, list) else value


def _prior(arguments: Description) -> None:
    parts = {name: arguments.pop(name) for name in ("sampler", "warps", "guidance") if name in arguments}
    arguments["recipe"] = component("recipe", "Recipe", **parts)


_FROM_0_1: dict[str, Callable[[Description], None]] = {"prior": _prior}
