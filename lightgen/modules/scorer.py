"""Training of a scorer, a judge of pictures and captions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.checkpoint import load
from lightgen.functional.contrastive import contrastive_loss
from lightgen.functional.text import keys
from lightgen.metrics.captions import CaptionScores
from lightgen.modules.base import TrainingModule
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory
from lightgen.scorers.contrastive import Contrastive
from lightgen.scorers.remembering import Remembering
from lightgen.types import Batch


class ScorerModule(TrainingModule):
    """Trains a scorer on pictures with captions.

    The pairs of a batch stand against one another, on each rank for itself. Held-out pictures choose among a hundred
    captions.

    Args:
        scorer: the encoders and the space that they meet in, or the path of a checkpoint to go on from.
        optimizer: called with the parameters that are not frozen.
        scheduler: called with the optimizer; advances every batch.
        max_skipped: so many updates in a row with a loss or gradient that is not finite end the run.
        compile: whether to compile the encoders; None does on a CUDA device.

    Raises:
        ValueError: if the checkpoint cannot be read, or holds something else.
    """

    product: ClassVar[str] = "scorer"
    source: ClassVar[str] = "Radford et al., 2021, arXiv 2103.00020; Yang et al., 2022, arXiv 2204.03610"

    def __init__(
        self,
        scorer: Contrastive | str,
        optimizer: OptimizerFactory = torch.optim.AdamW,
        scheduler: SchedulerFactory | None = None,
        max_skipped: int = 20,
        compile: bool | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler, max_skipped, compile)
        self.begun = isinstance(scorer, str)
        made: Contrastive = load_contrastive(scorer) if isinstance(scorer, str) else scorer
        self.scorer = made
        self.remembering = Remembering(made)
        self.scores = CaptionScores(self.remembering)

    def compiled_parts(self) -> Iterable[nn.Module]:
        return (self.scorer.image_encoder, self.scorer.text_encoder)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.trainer.global_step == 0 and not self.begun:
            self.scorer.image_encoder.begin()
        self.scorer.text_encoder.learn(self.trainer.datamodule.train_captions())  # type: ignore[attr-defined]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        pictures, captions = told(batch)
        images, texts = self.remembering.embed_images(pictures), self.remembering.embed_texts(captions)
        names = keys(captions).to(images.device)
        loss = contrastive_loss(self.scorer.scale * images @ texts.T, names[:, None] == names)
        self.guard.see(loss)
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log("train/scale", self.scorer.scale.detach())
        return loss

    def evaluate(self, split: str, batch: Batch) -> None:
        self.scores.update(*told(batch))

    def finish(self, split: str) -> None:
        found = self.scores.compute()
        self.log_dict({f"{split}/{name}": value for name, value in found.items()}, prog_bar=True)
        self.scores.reset()


def load_contrastive(path: str) -> Contrastive:
    """The scorer in a checkpoint, if it is one that can be trained.

    Raises:
        ValueError: as `load`, or if it is none.
    """
    scorer = load(path, "scorer")
    if not isinstance(scorer, Contrastive):
        raise ValueError(f"{path} holds a {type(scorer).__name__}, where a Contrastive is needed")
    return scorer


def told(batch: Batch) -> tuple[Tensor, Tensor]:
    """The pictures (B, C, H, W) uint8 of a batch that have a caption, and these, (B, L) uint8.

    Raises:
        ValueError: if the data have no captions.
    """
    captions = batch["condition"].get("caption")
    if captions is None:
        raise ValueError(
            "a scorer learns from captions, and the data have none; name their column with --data.captions"
        )
    there = captions[:, 0] != 0
    return batch["image"][there], captions[there]
