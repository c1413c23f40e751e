"""What a prior makes, seen and scored at every validation."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.asking import in_words
from lightgen.callbacks.interrupt import interrupted, received
from lightgen.callbacks.sheet import show
from lightgen.checkpoint import load_scorer
from lightgen.condition import Condition
from lightgen.data.base import ImageData
from lightgen.data.held_out import held_out
from lightgen.data.tokens import CachedTokens
from lightgen.figures import sheet
from lightgen.functional.random import Noise
from lightgen.metrics.captions import CaptionScores
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.generation import GenerationScores
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.modules.prior import PriorModule
from lightgen.modules.spreading import whole_weights
from lightgen.prior import Prior
from lightgen.reranking import texts

GRID_LIMIT = 64


class Generation(Callback):
    """Samples at every validation, shows a grid, and scores the pictures against the held-out ones.

    The grid is in TensorBoard, and in the folder of the run as `samples.png`; above it stand step, sampler, warps,
    guidance and seed, above each picture its class. A prior that knows text, or reads the ids of a coarser picture, is
    told those of held-out pictures, the same at every validation.

    List it before a weight-averaging callback: then it sees the averaged weights.

    Args:
        num_images: how many to sample, on all ranks together.
        batch_size: per rank.
        features: the network to score through; None only looks.
        every_n_validations: how often.
        seed: of the pictures; the same pictures at every validation show progress best.
        judge: the checkpoint of a scorer that says how well they fit what they were asked for by; None does without.

    Raises:
        ValueError: if a number is below 1, or too small for scores, or the scorer cannot be read; when training begins,
            if pictures are asked for by nothing that is said in words.
    """

    def __init__(
        self,
        num_images: int = 64,
        batch_size: int = 32,
        features: FeatureNetwork | None = None,
        every_n_validations: int = 1,
        seed: int = 0,
        judge: str | None = None,
    ) -> None:
        for name, number in (("num_images", num_images), ("batch_size", batch_size),
                             ("every_n_validations", every_n_validations)):  # fmt: skip
            if number < 1:
                raise ValueError(f"{name} must be at least 1, not {number}")
        if features is not None and num_images <= EvaluationProtocol.k:
            raise ValueError(f"num_images must be above {EvaluationProtocol.k}, the neighbours of precision, to be "
                             f"scored, not {num_images}")  # fmt: skip
        self.num_images = num_images
        self.batch_size = batch_size
        self.features = features
        self.every_n_validations = every_n_validations
        self.seed = seed
        self.judge = None if judge is None else load_scorer(judge)
        self.validations = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.judge is not None and isinstance(pl_module, PriorModule):
            prior, first = pl_module.prior, torch.zeros(1, dtype=torch.long, device=pl_module.device)
            texts(self._completed(prior, self._asked(trainer, prior), first), prior.categories)

    @torch.no_grad()
    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.limit_val_batches:
            return
        self.validations += 1
        if self.validations % self.every_n_validations or not isinstance(pl_module, PriorModule):
            return
        rank, world_size = trainer.global_rank, trainer.world_size
        ours = torch.arange(rank, self.num_images, world_size, device=pl_module.device)
        fake: list[torch.Tensor] = []
        asked = self._asked(trainer, pl_module.prior)
        with whole_weights(trainer):
            for index in ours.split(self.batch_size):
                if not received(trainer):
                    fake.append(self._sample(pl_module, index, asked))
        if interrupted(trainer):
            return
        if trainer.is_global_zero:
            self._show(trainer, pl_module, torch.cat(fake)[:GRID_LIMIT], ours[:GRID_LIMIT], asked)
        if self.features is not None:
            self._score(trainer, pl_module, fake, self.features)
        if self.judge is not None:
            scores = CaptionScores(self.judge.to(pl_module.device)).to(pl_module.device)
            for images, index in zip(fake, ours.split(self.batch_size), strict=True):
                told = self._completed(pl_module.prior, asked, index)
                scores.update(images, texts(told, pl_module.prior.categories))
            pl_module.log_dict({f"val/{name}": value for name, value in scores.compute().items()})

    def _asked(self, trainer: Trainer, prior: Prior) -> Condition:
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not isinstance(data, (ImageData, CachedTokens)):
            return Condition()
        return held_out(prior, data.dataset("val"), data.conditions, self.seed)

    def _completed(self, prior: Prior, asked: Condition, index: torch.Tensor) -> Condition:
        return prior.completed(asked.dealt(index), Noise(self.seed, index))

    def _sample(self, module: PriorModule, index: torch.Tensor, asked: Condition) -> torch.Tensor:
        noise = Noise(self.seed, index)
        return module.prior.decode(module.prior.sample_ids(noise, condition=asked.dealt(index)).ids)

    def _show(
        self, trainer: Trainer, module: PriorModule, images: torch.Tensor, index: torch.Tensor, asked: Condition
    ) -> None:
        prior, recipe = module.prior, module.prior.recipe
        how = ", ".join(repr(part) for part in (recipe.sampler, recipe.warps, recipe.guidance) if part is not None)
        rows = in_words(self._completed(prior, asked, index), prior.categories)
        captions = [", ".join(row.values()) for row in rows] if any(rows) else None
        show(trainer, "samples", sheet(images, f"step {trainer.global_step}, seed {self.seed}: {how}", captions))

    def _score(self, trainer: Trainer, module: PriorModule, fake: list[torch.Tensor], features: FeatureNetwork) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]
        pictures = data.pictures if isinstance(data, CachedTokens) else data
        if not isinstance(pictures, ImageData):
            return
        held_out = pictures.dataset("val")
        scores = GenerationScores(features).to(module.device)
        ours = list(range(trainer.global_rank, len(held_out), trainer.world_size))
        for start in range(0, len(ours), self.batch_size):
            images = held_out.__getitems__(ours[start : start + self.batch_size])["image"]
            scores.update(images.to(module.device), real=True)
        for images in fake:
            scores.update(images, real=False)
        module.log_dict({f"val/{name}": value.float() for name, value in scores.compute().items()})
