"""What a tokenizer makes of pictures."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.callbacks.sheet import show
from lightgen.data.base import ImageData
from lightgen.figures import side_by_side
from lightgen.modules.tokenizer import TokenizerModule
from lightgen.types import to_uint8, to_unit


class Reconstructions(Callback):
    """Shows held-out pictures above their reconstructions at every validation, in TensorBoard and as
    `reconstructions.png` in the folder of the run.

    Args:
        num_images: how many.
    """

    def __init__(self, num_images: int = 16) -> None:
        self.num_images = num_images

    @torch.no_grad()
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not (isinstance(pl_module, TokenizerModule) and isinstance(data, ImageData) and trainer.is_global_zero):
            return
        if not trainer.limit_val_batches:
            return
        images, tokenizer = data.dataset("val").images(self.num_images), pl_module.tokenizer
        reconstructions = to_uint8(tokenizer.decode(tokenizer.encode(to_unit(images).to(pl_module.device))))
        made = side_by_side(images, reconstructions, when=f"step {trainer.global_step}: ")
        show(trainer, "reconstructions", made)
