"""What both training modules share: their optimizer, and a checkpoint that needs nothing else."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar, cast

from lightning.pytorch import LightningModule
from lightning.pytorch.plugins.io import TorchCheckpointIO
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lightgen.checkpoint import KEY, pack
from lightgen.migration import migrate
from lightgen.modules.checkpoint_io import AtomicCheckpointIO
from lightgen.modules.finite import FiniteGuard
from lightgen.modules.means import Means
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory, WarmupCosine
from lightgen.modules.precision import require_precision
from lightgen.modules.spreading import is_spread, prepare, whole_weights
from lightgen.registry import Component
from lightgen.types import Batch

log = logging.getLogger(__name__)


class TrainingModule(LightningModule, Component):
    """Trains a product, which its checkpoints hold in a form that `lightgen.load` can rebuild.

    Args:
        optimizer: called with the parameters to train.
        scheduler: called with the optimizer; advances every batch.
        max_skipped: so many updates in a row with a loss or gradient that is not finite end the run.
        compile: whether to compile what is trained; None does on a CUDA device.
    """

    kind: ClassVar[str] = "module"
    product: ClassVar[str]
    """The attribute that is trained, e.g. `"prior"`."""

    is_spreadable: ClassVar[bool] = False
    """Whether its weights may be spread over devices (FSDP)."""

    frozen: tuple[str, ...] = ()
    """Parts of the product that are not trained, e.g. `("tokenizer",)`."""

    resolved_config: str | None = None
    """The YAML of the run, where there is one."""

    def __init__(
        self,
        optimizer: OptimizerFactory,
        scheduler: SchedulerFactory | None,
        max_skipped: int,
        compile: bool | None = None,
    ) -> None:
        super().__init__()
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.guard = FiniteGuard(max_skipped)
        self.compiles = compile
        self._means: Means | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Weight averaging copies the module. The factories refer to the whole command line, down to the handles of
        # other processes, which cannot be copied; a copy does not train.
        return {**super().__getstate__(), "optimizer": None, "scheduler": None, "_given": ((), {})}

    def setup(self, stage: str) -> None:
        require_precision(self.trainer)
        if type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            self.trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        product = getattr(self, self.product)
        parts = [getattr(product, part) for part in self.frozen]
        prepare(self.trainer, self.product, parts if self.is_spreadable else None)

    def on_fit_start(self) -> None:
        with whole_weights(self.trainer):
            count = sum(p.numel() for p in self.trained_parameters())
        said = f"{count / 1e6:.2f} M" if count >= 1e5 else f"{count:,}"
        log.info(f"{type(getattr(self, self.product)).__name__}: {said} parameters to train")
        if self.device.type == "cuda" if self.compiles is None else self.compiles:
            for part in self.compiled_parts():
                part.compile()

    def compiled_parts(self) -> Iterable[nn.Module]:
        """The networks that are compiled where it pays, each alone."""
        return ()

    def trained_parameters(self) -> Iterable[Tensor]:
        """What the optimizer is given."""
        return (p for p in self.parameters() if p.requires_grad)

    def guarded_parameters(self) -> Iterable[Tensor]:
        """Whose gradients must be finite in an update."""
        return self.trained_parameters()

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.trained_parameters())
        require_finite_rate(optimizer)
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduled(optimizer), "interval": "step"}}

    def scheduled(self, optimizer: Optimizer) -> LRScheduler | None:
        """The schedule of an optimizer's learning rate, which ends with the training unless it says otherwise."""
        scheduler = None if self.scheduler is None else self.scheduler(optimizer)
        if isinstance(scheduler, WarmupCosine):
            scheduler.follow(self.trainer.estimated_stepping_batches)
        return scheduler

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """The update is made on all ranks, or on none.

        Raises:
            FloatingPointError: after `max_skipped` in a row that could not be made.
        """
        parameters = list(self.guarded_parameters())
        if self.trainer.strategy.reduce_boolean_decision(self.guard.allows(parameters)):
            self.guard.accept()
        else:
            self.guard.skip(parameters)
        self.log("train/skipped", float(self.guard.skipped))
        self.log("train/learning_rate", optimizer.param_groups[0]["lr"])

    def on_train_end(self) -> None:
        if self.guard.running_away:
            self.guard.stop()

    def _batches_done(self) -> int:
        """The number of training batches before this one."""
        return int(self.trainer.fit_loop.epoch_loop.total_batch_idx)

    def add_to_mean(self, name: str, value: Tensor, num: int) -> None:
        """Count a mean over `num` pictures towards the mean of the split, which is logged when the split is through."""
        self._means = self._means or Means(self.device)
        self._means.add(name, value, num)

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: float | None = None, gradient_clip_algorithm: str | None = None
    ) -> None:
        if gradient_clip_val and gradient_clip_algorithm in (None, "norm") and is_spread(self.trainer):
            # The norm is that of all shards.
            cast(Any, self.trainer.model).clip_grad_norm_(gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)

    @abstractmethod
    def evaluate(self, split: str, batch: Batch) -> None:
        """Count a batch of a held-out split."""

    def finish(self, split: str) -> None:
        """Log the scores of a split that is through."""
        if self._means is None:
            return
        scores, lines = self._means.compute()
        self.log_dict(scores, prog_bar=True)
        for line in lines:
            log.warning(line)
        self._means = None

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self.evaluate("test", batch)

    def on_validation_epoch_end(self) -> None:
        # An interruption sets the limit to 0; a part of the split has no scores.
        if self.trainer.limit_val_batches:
            self.finish("val")

    def on_test_epoch_end(self) -> None:
        self.finish("test")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.trainer.training and "optimizer_states" not in checkpoint and not is_spread(self.trainer):
            raise ValueError("this checkpoint has the states of its optimizers in shards, which only "
                             "--trainer.strategy fsdp goes on with; --init_from begins with its weights")  # fmt: skip
        migrate(checkpoint, KEY)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        entry = pack(getattr(self, self.product), f"{self.product}.")
        checkpoint[KEY] = {**entry, "config": self.resolved_config}
        # Averaging rounds, and so would change even weights and counts that stay as they are; what is kept beside the
        # weights, as a vocabulary, it does not know.
        current = checkpoint.get("current_model_state", {})
        constant = {name for name, parameter in self.named_parameters() if not parameter.requires_grad}
        constant |= {name for name in current if name.endswith("._extra_state")}
        prefixes = tuple(f"{self.product}.{part}." for part in self.frozen)
        kept = {name: current[name] for name in current if name in constant or name.startswith(prefixes)}
        checkpoint["state_dict"] |= kept


def require_finite_rate(optimizer: Optimizer) -> None:
    """Refuse a learning rate that cannot train anything.

    Raises:
        ValueError: if it is NaN or infinite.
    """
    for group in optimizer.param_groups:
        if not math.isfinite(group["lr"]):
            raise ValueError(f"the optimizer's lr must be a finite number, not {float(group['lr'])}")
