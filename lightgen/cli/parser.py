"""The parser of every command: Lightning's, with errors that fit on one line."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from lightgen.cli.output import set_up_output
from lightgen.registry import components, discover, suggestion


class Parser(LightningArgumentParser):
    """Raises ValueError, in one line, where jsonargparse would print several and exit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        set_up_output()
        discover()
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise ValueError(one_line(message)) from ex


def one_line(message: str) -> str:
    """An error of jsonargparse, shortened to its cause; a class name that is not there gets its nearest match."""
    if match := re.search(r"Expected a dot import path string: (\S+)", message):
        key = re.search(r'Parser key "(?:\S+\.)?(\w+)"', message)
        kind = key.group(1) if key else "component"
        names = [c.__name__ for c in components(kind)] or [c.__name__ for c in components()]
        return f"no {kind} is called {match.group(1)!r}{suggestion(match.group(1), names)}"
    if match := re.search(r"Option '(\S+)' is not accepted", message):
        return f"there is no option {match.group(1)!r} here; see --help, or `lightgen list` for the components"
    return re.sub(r"\s+", " ", message).strip()
