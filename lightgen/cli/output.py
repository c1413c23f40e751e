"""What commands say: lightgen's own lines on rank zero, and none of the chatter of the libraries below it."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings

from lightning_utilities.core.rank_zero import rank_zero_only

# Lightning's tips and other people's deprecations are no use to somebody who reads lightgen's output.
NOISE = (
    ".*does not have many workers.*",
    ".*LightningCLI's args parameter.*",
    ".*isinstance.treespec, LeafSpec.*",
    ".*is smaller than the logging interval.*",
    ".*exists and is not empty.*",
    ".*Discarding init_args.*",
    ".*is supported for historical reasons.*",
    ".*module.s. in eval mode at the start of training.*",
    ".*across ranks.*sync_dist=True.*",
    ".*sync_dist=True.*across devices.*",
    ".*The dirpath has changed from.*",
    ".*_get_pg_default_device.*",
    ".*Multiple backends are registered with this ProcessGroup.*",
    ".*Please use DTensor instead.*",
    ".*Detected an existing checkpoint in.*",
    ".*resuming from a checkpoint that ended before the epoch ended.*",
    ".*using the WeightAveraging callback, but loading a checkpoint outside.*",
    ".*Found keys that are in the model state dict but not in the checkpoint.*",
    ".*could be decompression bomb DOS attack.*",
)


class _Lines(logging.StreamHandler):
    """Looks up stderr at every line, because progress bars replace it while they are shown."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""What says the number of a process, in the order in which Lightning looks."""


def is_first() -> bool:
    """Whether this process speaks for all: rank zero of a run on several devices."""
    started = next((os.environ[name] for name in RANKS if name in os.environ), "0")
    # Lightning sets it, once it is there.
    return int(getattr(rank_zero_only, "rank", started)) == 0


def set_up_output() -> None:
    """Show lightgen's messages, warnings in one line, and nothing else."""
    for message in NOISE:
        warnings.filterwarnings("ignore", message)
    warnings.showwarning = _Warnings()
    threading.excepthook = _behind
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)
    logger = logging.getLogger("lightgen")
    logger.setLevel(logging.INFO if is_first() else logging.WARNING)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_Lines())


def _behind(failed: threading.ExceptHookArgs) -> None:
    """A failure beside the main thread: that a log cannot be written for lack of room takes one line."""
    if isinstance(failed.exc_value, OSError):
        warnings.warn(f"something was not written: {failed.exc_value}", stacklevel=2)
    else:
        threading.__excepthook__(failed)


class _Warnings:
    """Says each warning once, in one line. Python's own rule to that end is forgotten whenever a filter is added."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, message: Warning | str, *args: object, **kwargs: object) -> None:
        text = " ".join(str(message).split())
        if text not in self.said:
            self.said.add(text)
            print(f"warning: {text}", file=sys.stderr)
