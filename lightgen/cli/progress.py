"""One progress bar for commands that are not Lightning's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.rank_zero import rank_zero_only
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

SPEED_OVER = 300.0
"""Seconds over which the time left is estimated: steps are of different kinds."""


@contextmanager
def progress_bar(what: str, total: int, unit: str = "") -> Iterator[Callable[[int], None]]:
    """A bar with the time left, on the terminal of rank zero; yields the function that advances it."""
    console = Console()
    if rank_zero_only.rank > 0 or not console.is_terminal:  # type: ignore[attr-defined]
        yield lambda amount: None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), *([TextColumn(unit)] if unit else []),
        TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True, speed_estimate_period=SPEED_OVER) as progress:
        task = progress.add_task(what, total=total)
        yield lambda amount: progress.advance(task, amount)
