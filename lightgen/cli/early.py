"""Options that must be known before the parser that reads the others can be made."""

from __future__ import annotations

import argparse
from collections.abc import Sequence


def early_value(arguments: Sequence[str], option: str) -> str | None:
    """The value of one option on the command line; None without it, or where help is asked for."""
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument(option, dest="value", nargs="?")
    value: str | None = early.parse_known_args(arguments)[0].value
    return None if {"-h", "--help"} & set(arguments) else value


def is_given(arguments: Sequence[str], option: str) -> bool:
    """Whether an option is on the command line."""
    return any(a == option or a.startswith(f"{option}=") for a in arguments)
