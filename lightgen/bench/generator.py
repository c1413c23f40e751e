"""Pictures from a prior on the trainer's devices: their features and what they cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from lightgen.condition import Condition
from lightgen.metrics.base import FeatureMetric
from lightgen.metrics.captions import CaptionScores
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.modules.sampling import SamplingModule, indices
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.reranking import BestOf, texts
from lightgen.sampling import SampledPictures, Sampling
from lightgen.scorers.base import Scorer
from lightgen.types import OnStep

SHOWN = 8
"""Pictures of each measurement that are kept, to be looked at."""


@dataclass(frozen=True)
class Generated:
    """A set of pictures, by their features."""

    features: Tensor
    """(n, d)."""
    shown: Tensor
    """(at most SHOWN, C, H, W) uint8, the first pictures."""
    evaluations: float = 0.0
    """Network evaluations of a picture, on average."""
    seconds: float = 0.0
    """Of sampling (without decoding and scoring) a picture, on average."""
    judged: dict[str, float] = field(default_factory=dict)
    """How well they fit what they were asked for by, by the name of the score."""


class Generator:
    """Samples sets of pictures.

    Args:
        protocol: whose features are kept of the pictures.
        trainer: sampling runs on its devices.
        batch_size: pictures at a time.
        judge: of what they were asked for by; None does without.
    """

    def __init__(
        self, protocol: EvaluationProtocol, trainer: Trainer, batch_size: int, judge: Scorer | None = None
    ) -> None:
        self.protocol, self.trainer, self.batch_size, self.judge = protocol, trainer, batch_size, judge

    def __call__(
        self,
        prior: Prior,
        recipe: Recipe,
        seed: int,
        num_images: int,
        on_step: OnStep | None,
        condition: Condition | None = None,
        best_of: BestOf | None = None,
    ) -> Generated:
        """Pictures 0 to num_images - 1 of a seed. `on_step` is called after every step of every batch.

        What the condition says is dealt out to them, see `Sampling`.
        """
        looking_on = None if on_step is None else lambda *_: on_step
        collector = Collector(self.protocol, self.judge)
        self.trainer.callbacks = [collector]  # type: ignore[attr-defined]
        self.trainer.predict(
            SamplingModule(Sampling(prior, recipe, condition, seed, looking_on, best_of=best_of)),
            indices(num_images, min(self.batch_size, num_images)),
            return_predictions=False,
        )
        evaluations, seconds = (collector.costs / num_images).tolist()
        return Generated(collector.features, collector.shown, evaluations, seconds, collector.judged)


class Features(FeatureMetric):
    """Features of generated pictures, gathered over ranks."""

    parts = ("fake",)

    def compute(self) -> Tensor:
        """(n, d)."""
        return self.gathered()[0]


class Collector(BasePredictionWriter):
    """Features and costs of the pictures that a trainer predicts; complete on every rank after the run."""

    features: Tensor

    def __init__(self, protocol: EvaluationProtocol, judge: Scorer | None = None) -> None:
        super().__init__("batch")
        self.captions = None if judge is None else CaptionScores(judge)
        self.judged: dict[str, float] = {}
        self.metric = Features(protocol)
        self.costs = torch.zeros(2, dtype=torch.float64)
        self.shown = torch.empty(0)

    def write_on_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, prediction: SampledPictures, *args: Any
    ) -> None:
        self.metric.to(prediction.images.device).update(prediction.images, real=False)
        if self.captions is not None:
            said = texts(prediction.asked, pl_module.sampling.prior.categories)  # type: ignore[union-attr, arg-type]
            self.captions.to(prediction.images.device).update(prediction.images, said)
        self.costs += torch.tensor([float(prediction.evaluations.sum()), prediction.seconds])
        if len(self.shown) == 0:
            self.shown = prediction.images[:SHOWN].cpu()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.features = self.metric.compute()
        if self.captions is not None:
            self.judged = {name: float(value) for name, value in self.captions.compute().items()}
        self.costs = torch.as_tensor(trainer.strategy.reduce(self.costs.to(pl_module.device), reduce_op="sum")).cpu()
