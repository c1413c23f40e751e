"""The parser of commands with few options."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from lightgen.cli.wording import one_line


class PlainParser(argparse.ArgumentParser):
    """Raises ValueError, in one line, where argparse would print its usage and exit. Knows no abbreviations."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        options = [option for option in self._option_string_actions if option.startswith("--")]
        line = one_line(message, options)
        raise ValueError(line if "did you mean" in line else f"{line}; see {self.prog} --help")
