"""Training of a tokenizer, stage one."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure

from lightgen.losses.reconstruction import ReconstructionLoss
from lightgen.metrics.codebook import CodebookUsage
from lightgen.modules.base import TrainingModule
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory
from lightgen.tokenizers.vqgan import VQGAN
from lightgen.types import Batch, to_unit


class TokenizerModule(TrainingModule):
    """Trains a VQ-GAN to reconstruct pictures through its codebook.

    Args:
        tokenizer: encoder, quantizer and decoder.
        loss: what a reconstruction is compared by.
        codebook_weight: of the quantizer's own loss.
        optimizer: called with the tokenizer's parameters.
        scheduler: called with the optimizer; advances every batch.
    """

    product: ClassVar[str] = "tokenizer"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(
        self,
        tokenizer: VQGAN,
        loss: ReconstructionLoss | None = None,
        codebook_weight: float = 1.0,
        optimizer: OptimizerFactory = torch.optim.Adam,
        scheduler: SchedulerFactory | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.tokenizer = tokenizer
        self.reconstruction_loss = loss or ReconstructionLoss()
        self.codebook_weight = codebook_weight
        self.psnr = PeakSignalNoiseRatio(data_range=(-1.0, 1.0), dim=(1, 2, 3))
        self.ssim = StructuralSimilarityIndexMeasure(data_range=(-1.0, 1.0))
        self.usage = CodebookUsage(tokenizer.vocab_size, tokenizer.num_codes)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        images = to_unit(batch["image"])
        reconstruction, quantized = self.tokenizer(images)
        output = self.reconstruction_loss(reconstruction, images)
        loss: Tensor = output.loss + self.codebook_weight * quantized.loss
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value for name, value in output.metrics.items()})
        self.log("train/codebook", quantized.loss.detach())
        return loss

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Ids (B, h, w), or (B, M, h, w), of a batch of pictures."""
        return self.tokenizer.encode(to_unit(batch["image"]))

    def evaluate(self, split: str, batch: Batch) -> None:
        images = to_unit(batch["image"])
        ids = self.tokenizer.encode(images)
        reconstruction = self.tokenizer.decode(ids)
        output = self.reconstruction_loss(reconstruction, images)
        for name, metric in (("psnr", self.psnr), ("ssim", self.ssim)):
            metric.update(reconstruction, images)
            self.log(f"{split}/{name}", metric, prog_bar=True, on_epoch=True)
        self.usage.update(ids)
        self.add_to_mean(f"{split}/loss", output.loss, len(images))

    def finish(self, split: str) -> None:
        super().finish(split)
        usage = {f"{split}/codebook_{name}": value for name, value in self.usage.compute().items()}
        self.log_dict(usage, prog_bar=True)
        self.usage.reset()
