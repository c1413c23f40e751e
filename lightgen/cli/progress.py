"""One progress bar for commands that are not Lightning's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from lightning.fabric.utilities.rank_zero import _get_rank
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the share done and the time left; yields the function that advances it.

    Shown on rank zero of a terminal, gone when done. The amounts may be steps, batches, pictures times steps: what they
    are is of no interest to who waits, so only their share is shown.
    """
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(),
    )  # fmt: skip
    # Elsewhere than on a terminal, rich leaves an empty line.
    console = Console()
    with Progress(
        *columns, console=console, transient=True, disable=bool(_get_rank()) or not console.is_interactive
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda amount: progress.advance(task, amount)
