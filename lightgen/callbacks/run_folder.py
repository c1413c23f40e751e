"""Nothing is left of a run that never began."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer


class RunFolder(Callback):
    """Takes back the folders that the logger made for a run that did nothing."""

    def __init__(self) -> None:
        self.began = time.time()
        self.missing: list[Path] = []
        self.logs: Path | None = None
        self.trained = False
        """Whether the first step was reached."""
        self.used = False
        """Whether anything was trained or scored."""

    def look(self, root: Path) -> None:
        """Note which folders are not there, before anything is made in the folder of the run."""
        self.missing = [folder for folder in (root / "lightning_logs", root, *root.parents) if not folder.exists()]

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._note(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.trained = self.used = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.used = True

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.used = True

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._note(trainer)

    def undo(self) -> None:
        """Remove them, unless something was done."""
        if self.used:
            return
        if self.logs is None or not self.logs.is_dir() or any(self._is_older(path) for path in self.logs.rglob("*")):
            return
        shutil.rmtree(self.logs)
        for folder in self.missing:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _is_older(self, path: Path) -> bool:
        # Clocks of file systems are coarse.
        return path.stat().st_mtime < self.began - 1

    def _note(self, trainer: Trainer) -> None:
        logs = getattr(trainer.logger, "log_dir", None)
        if trainer.is_global_zero and logs:
            self.logs = Path(logs)
