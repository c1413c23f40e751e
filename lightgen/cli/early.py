"""Options that must be known before the parser that reads the others can be made."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml


def early_value(arguments: Sequence[str], option: str) -> str | None:
    """The value of one option, on the command line or in a config; None without it, or where help is asked for."""
    if {"-h", "--help"} & set(arguments):
        return None
    value = None
    for name, given in _given(arguments, option, "config"):
        # As for the parser that comes later, the last one counts.
        value = given if name == option else _config(given).get(option, value)
    return None if value is None else str(value)


def names_class(arguments: Sequence[str], option: str) -> bool:
    """Whether the class of a component is chosen, on the command line or in a config."""
    if _given(arguments, option) or _given(arguments, f"{option}.class_path"):
        return True
    parts = [_config(path).get(option) for _, path in _given(arguments, "config")]
    return any(isinstance(part, str) or (isinstance(part, dict) and "class_path" in part) for part in parts)


def _given(arguments: Sequence[str], *options: str) -> list[tuple[str, str | None]]:
    """Names and values of options in the order of the command line, None where a value is missing."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in options:
        early.add_argument(f"--{option}", dest="values", nargs="?", action="append", default=[],
                           const=(option, None), type=partial(_pair, option))  # fmt: skip
    values: list[tuple[str, str | None]] = early.parse_known_args(arguments)[0].values
    return values


def _pair(option: str, text: str) -> tuple[str, str]:
    return option, text


def _config(path: str | None) -> dict[str, Any]:
    """What a config holds; the parser that comes later complains of a bad one."""
    try:
        config = yaml.safe_load(Path(path or "").read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return config if isinstance(config, dict) else {}
