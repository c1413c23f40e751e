"""Checkpoints of training runs, whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import TorchCheckpointIO

from lightgen.checkpoint import write
from lightgen.functional.sharded_files import is_sharded, read_sharded


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the target and renames.

    Lightning's own writes to TMPDIR and moves, and across file systems a move is a copy onto the target: a process that
    is killed in it, or a full disk, leaves half a checkpoint in place of the one before.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        if "://" in str(path):
            super().save_checkpoint(checkpoint, path, storage_options)
        else:
            write(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if is_sharded(Path(path)):
            contents: dict[str, Any] = read_sharded(Path(path))
            return contents
        return super().load_checkpoint(path, *args, **kwargs)
