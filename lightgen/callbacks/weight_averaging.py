"""Averaged weights, wherever the weights are."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer, callbacks

from lightgen.modules.spreading import is_spread, whole_weights


class EMAWeightAveraging(callbacks.EMAWeightAveraging):
    """Lightning's exponential moving average of the weights, which FSDP may have spread over devices.

    There, each device gathers the weights at each update, and keeps the whole average; `device: cpu` keeps it in main
    memory. What a checkpoint has as `state_dict` are the averaged weights.
    """

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        with whole_weights(trainer):
            super().on_train_batch_end(trainer, *args, **kwargs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with whole_weights(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with whole_weights(trainer):
            super().on_train_end(trainer, pl_module)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with whole_weights(trainer):
            super().on_validation_epoch_start(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        with whole_weights(trainer):
            super().on_validation_epoch_end(trainer, pl_module)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._average_model is not None and is_spread(trainer):
            checkpoint["state_dict"] = self._copied(trainer, pl_module)
        super().on_save_checkpoint(trainer, pl_module, checkpoint)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if "state_dict" not in checkpoint:
            # FSDP has given them to the network already.
            checkpoint["state_dict"] = self._copied(trainer, pl_module)
        with whole_weights(trainer):
            super().on_load_checkpoint(trainer, pl_module, checkpoint)

    def _copied(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        with whole_weights(trainer):
            return {name: tensor.detach().clone() for name, tensor in pl_module.state_dict().items()}
