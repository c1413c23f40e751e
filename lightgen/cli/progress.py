"""The progress bar of commands: rank zero's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from lightgen import progress
from lightgen.cli.output import is_first


def progress_bar(what: str, total: int, unit: str) -> AbstractContextManager[Callable[[int], None]]:
    """A bar with the time left; yields the function that advances it."""
    return progress.progress_bar(what, total, unit, shown=is_first())
