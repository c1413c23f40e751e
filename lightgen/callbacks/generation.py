"""What a prior makes, seen and scored at every validation."""

from __future__ import annotations

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightgen.callbacks.interrupt import interrupted, received
from lightgen.callbacks.sheet import show
from lightgen.condition import Condition
from lightgen.conditioners.low_resolution import COARSE, levels
from lightgen.data.base import ImageData
from lightgen.data.token_cache import plain
from lightgen.data.tokens import CachedTokens
from lightgen.figures import sheet
from lightgen.functional.random import Noise
from lightgen.labels import class_name
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.generation import GenerationScores
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.modules.prior import PriorModule
from lightgen.prior import Prior

GRID_LIMIT = 64


class Generation(Callback):
    """Samples at every validation, shows a grid, and scores the pictures against the held-out ones.

    The grid is in TensorBoard, and in the folder of the run as `samples.png`; above it stand step, sampler, warps,
    guidance and seed, above each picture its class. A prior that reads the ids of a coarser picture is told those of
    held-out pictures, the same at every validation.

    List it before a weight-averaging callback: then it sees the averaged weights.

    Args:
        num_images: how many to sample, on all ranks together.
        batch_size: per rank.
        features: the network to score through; None only looks.
        every_n_validations: how often.
        seed: of the pictures; the same pictures at every validation show progress best.

    Raises:
        ValueError: if a number is below 1, or too small for scores.
    """

    def __init__(
        self,
        num_images: int = 64,
        batch_size: int = 32,
        features: FeatureNetwork | None = None,
        every_n_validations: int = 1,
        seed: int = 0,
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
        self.validations = 0

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
        for index in ours.split(self.batch_size):
            if not received(trainer):
                fake.append(self._sample(pl_module, index, asked))
        if interrupted(trainer):
            return
        if trainer.is_global_zero:
            self._show(trainer, pl_module, torch.cat(fake)[:GRID_LIMIT], ours[:GRID_LIMIT], asked)
        if self.features is not None:
            self._score(trainer, pl_module, fake, self.features)

    def _asked(self, trainer: Trainer, prior: Prior) -> Condition:
        """Of a row for each picture: what nobody could draw."""
        data = trainer.datamodule  # type: ignore[attr-defined]
        if not levels(prior.network.conditioner) or not isinstance(data, CachedTokens):
            return Condition()
        held_out = data.dataset("val")
        batch = held_out.__getitems__(plain(torch.arange(self.num_images) % len(held_out)))
        return Condition({COARSE: batch["condition"][COARSE]})

    def _sample(self, module: PriorModule, index: torch.Tensor, asked: Condition) -> torch.Tensor:
        noise, told = Noise(self.seed, index), asked.select(index.cpu())
        return module.prior.decode(module.prior.sample_ids(noise, condition=told).ids)

    def _show(
        self, trainer: Trainer, module: PriorModule, images: torch.Tensor, index: torch.Tensor, asked: Condition
    ) -> None:
        prior, recipe = module.prior, module.prior.recipe
        how = ", ".join(repr(part) for part in (recipe.sampler, recipe.warps, recipe.guidance) if part is not None)
        label = prior.completed(asked.select(index.cpu()), Noise(self.seed, index)).tensors.get("label")
        captions = None if label is None else [class_name(number, prior.classes) for number in label.tolist()]
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
