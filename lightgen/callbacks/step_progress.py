"""One bar for a whole training run."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text


class StepProgress(ProgressBar):
    """Steps done of all steps, their speed, the time left, the newest losses; validation shows as a second bar."""

    def __init__(self) -> None:
        super().__init__()
        self.progress: Progress | None = None
        self.training, self.validation = TaskID(0), TaskID(1)
        self.enabled = True

    def disable(self) -> None:
        self.enabled = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), _Speed(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), _Values(),
        )  # fmt: skip
        self.progress = Progress(*columns, disable=not self.enabled, expand=True, speed_estimate_period=120)
        total = trainer.max_steps if trainer.max_steps > 0 else trainer.estimated_stepping_batches
        self.training = self.progress.add_task("training", total=total, completed=trainer.global_step)
        self.validation = self.progress.add_task("validating", visible=False)
        self.progress.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        if self.progress is not None:
            self.progress.update(self.training, completed=trainer.global_step, values=trainer.progress_bar_metrics)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.progress is not None:
            total = trainer.num_val_batches[0] if trainer.num_val_batches else None
            self.progress.reset(self.validation, total=total, visible=True)

    def on_validation_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if self.progress is not None:
            self.progress.advance(self.validation)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.progress is not None:
            self.progress.update(self.validation, visible=False)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._stop()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.progress is not None:
            self.progress.stop()
            self.progress = None


class _Speed(ProgressColumn):
    """Steps a second, once that is known."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.3g}/s")


class _Values(ProgressColumn):
    """The logged values that ask for a place in the bar, as far as the line goes."""

    def __init__(self) -> None:
        super().__init__(Column(no_wrap=True, overflow="ellipsis", ratio=1))

    def render(self, task: Task) -> Text:
        values = task.fields.get("values", {})
        shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name != "v_num")
        return Text(shown, no_wrap=True, overflow="ellipsis")
