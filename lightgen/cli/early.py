"""Options that must be known before the parser that reads the others can be made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml


def early_value(arguments: Sequence[str], option: str) -> str | None:
    """The value of one option, on the command line or in a config; None without it, or where help is asked for."""
    if {"-h", "--help"} & set(arguments):
        return None
    found = [config[option] for config in _configs(arguments) if option in config]
    value = _given(arguments, option)[-1:] or found[-1:]
    return str(value[0]) if value and value[0] is not None else None


def names_class(arguments: Sequence[str], option: str) -> bool:
    """Whether the class of a component is chosen, on the command line or in a config."""
    if _given(arguments, option) or _given(arguments, f"{option}.class_path"):
        return True
    parts = [config.get(option) for config in _configs(arguments)]
    return any(isinstance(part, str) or (isinstance(part, dict) and "class_path" in part) for part in parts)


def _given(arguments: Sequence[str], option: str) -> list[str | None]:
    """The values of an option on the command line, None where one is missing."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument(f"--{option}", dest="values", nargs="?", action="append", default=[])
    values: list[str | None] = early.parse_known_args(arguments)[0].values
    return values


def _configs(arguments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What the configs on the command line hold; the parser that comes later complains of bad ones."""
    for path in _given(arguments, "config"):
        try:
            config = yaml.safe_load(Path(path or "").read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            continue
        if isinstance(config, dict):
            yield config
