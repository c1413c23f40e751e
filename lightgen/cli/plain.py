"""The parser of commands with few options."""

from __future__ import annotations

import argparse
from typing import NoReturn


class PlainParser(argparse.ArgumentParser):
    """Raises ValueError, in one line, where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")
