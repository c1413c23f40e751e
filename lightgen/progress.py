"""One progress bar, on a terminal and in a notebook, for what Lightning does not show itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SPEED_OVER = 300.0
"""Seconds over which the time left is estimated: steps are of different kinds."""


@contextmanager
def progress_bar(what: str, total: int, unit: str, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar with the time left; yields the function that advances it. Shown where somebody looks, gone when done."""
    console = Console()
    if not shown or not (console.is_terminal or console.is_jupyter):
        yield lambda amount: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, speed_estimate_period=SPEED_OVER) as progress:
        task = progress.add_task(what, total=total)
        yield lambda amount: progress.advance(task, amount)
