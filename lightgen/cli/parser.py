"""The parser of every command: Lightning's, with errors that fit on one line."""

from __future__ import annotations

import os
import re
from typing import Any, NoReturn

from lightning.pytorch.cli import LightningArgumentParser

from lightgen.cli.output import set_up_output
from lightgen.registry import components, discover, suggestion

# Lightning's CLI still uses what version 5 of jsonargparse will not have.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


class Parser(LightningArgumentParser):
    """Raises ValueError, in one line, where jsonargparse would print several and exit."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        set_up_output()
        discover()
        super().__init__(*args, **kwargs)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise ValueError(one_line(message)) from ex

    def instantiate_classes(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().instantiate_classes(*args, **kwargs)
        except ValueError as error:
            raise ValueError(one_line(str(error))) from error


def one_line(message: str) -> str:
    """An error of jsonargparse, cut down to its cause; a class name that is not there gets its nearest match."""
    if match := re.search(r"Expected a dot import path string: (\S+)", message):
        key = re.search(r'Parser key "(?:\S+\.)?(\w+)"', message)
        kind = key.group(1) if key else "component"
        if _is_number(match.group(1)):
            return f"{kind} must be a finite number, not {match.group(1)}"
        names = [c.__name__ for c in components(kind)] or [c.__name__ for c in components()]
        return f"no {kind} is called {match.group(1)!r}{suggestion(match.group(1), names)}"
    if match := re.search(r"Option '(\S+)' is not accepted", message):
        return f"there is no option {match.group(1)!r} here; see --help, or `lightgen list` for the components"
    return _cause(re.sub(r"\s+", " ", message).strip())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cause(text: str) -> str:
    """The innermost reason, with the path of the option that it is about where there is one."""
    path: list[str] = []
    while match := re.match(r'Parser key "([^"]+)": |Does not validate against any of the Union subtypes', text):
        if match[1]:
            path.append(match[1])
            text = text[match.end() :]
            continue
        reasons = [reason.split(" Given value type:")[0].strip() for reason in text.split(" - ")[1:]]
        hollow = ("Expected a <class 'NoneType'>", "Does not validate")
        text = next((reason for reason in reasons if not reason.startswith(hollow)), reasons[-1] if reasons else "")
    if match := re.fullmatch(r"Expected a <class '(\w+)'>. Got value: (.*)", text):
        return f"{'.'.join(path) or 'a value'} must be {match[1]}, not {match[2]}"
    if path and re.match(r"[\w.]+ must be \w+, not", text):
        return ".".join([*path, text])
    return f"{'.'.join(path)}: {text}" if path and not text.startswith(path[-1]) else text
