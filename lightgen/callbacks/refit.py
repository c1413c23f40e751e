"""A new codebook for a trained encoder."""

from __future__ import annotations

import logging

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.data.base import ImageData
from lightgen.modules.tokenizer import TokenizerModule
from lightgen.quantizers.vq import VQ
from lightgen.types import to_unit

log = logging.getLogger(__name__)


class Refit(Callback):
    """Before the first batch: the codes become the k-means centres of the encoder's latents of training pictures.

    With `model.tokenizer` a checkpoint and `model.quantizer` a smaller `VQ`, this is ReFiT: most codes of a large
    codebook are dead or alike, and a small one in which every code is used is easier on a prior.

    Hu et al., 2021, arXiv 2112.01799.

    Args:
        num_images: training pictures, evenly spread; there must be more latents than codes.
        batch_size: pictures to encode at a time.

    Raises:
        ValueError: if an argument is below 1; when training starts, if the quantizer is no `VQ`.
    """

    def __init__(self, num_images: int = 128, batch_size: int = 32) -> None:
        if min(num_images, batch_size) < 1:
            raise ValueError(f"num_images and batch_size must be at least 1, not {num_images} and {batch_size}")
        self.num_images = num_images
        self.batch_size = batch_size

    @torch.no_grad()
    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if trainer.global_step or not (isinstance(pl_module, TokenizerModule) and isinstance(data, ImageData)):
            return
        tokenizer = pl_module.tokenizer
        if not isinstance(tokenizer.quantizer, VQ):
            raise ValueError(f"Refit needs a codebook that learns, VQ, not {type(tokenizer.quantizer).__name__}")
        pictures = data.dataset("train")
        numbers = list(range(0, len(pictures), max(1, len(pictures) // self.num_images)))[: self.num_images]
        latents = []
        for start in range(0, len(numbers), self.batch_size):
            images = pictures.__getitems__(numbers[start : start + self.batch_size])["image"]
            latents.append(tokenizer.latent(to_unit(images).to(pl_module.device)))
        # A new codebook starts from k-means on the first latents that it sees.
        tokenizer.quantizer(torch.cat(latents))
        log.info(f"{tokenizer.layout.vocab_size} codes fitted to the latents of {len(numbers)} pictures")
