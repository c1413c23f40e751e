"""One measurement: pictures made by one setting from one seed, and how they score against the reference pictures."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from lightgen.bench.baselines import independent_tokens
from lightgen.bench.likelihood import bits_per_token, mean_and_error
from lightgen.bench.suite import Setting, Suite
from lightgen.checkpoint import fingerprint, load
from lightgen.data.base import ImageData, Split
from lightgen.functional.distances import Statistics, novelty_scores, statistics
from lightgen.functional.random import Noise
from lightgen.metrics.base import FeatureMetric
from lightgen.metrics.generation import generation_scores
from lightgen.metrics.protocols import WHOLE_SPLIT, EvaluationProtocol
from lightgen.metrics.reference import load_statistics, save_statistics
from lightgen.modules.sampling import SampledPictures, SamplingModule, indices
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.types import OnStep

Source = Literal["sampler", "training pictures", "reconstructions", "independent tokens", "likelihood"]
ENDS: tuple[Source, ...] = ("training pictures", "reconstructions", "independent tokens")
"""What samples are compared with: what a perfect generator makes, the tokenizer alone, no order among the tokens."""
BITS = "bits per token"
FULL_PRECISION = "32-true"
SHOWN = 8
BATCH = 64


@dataclass(frozen=True)
class Task:
    """What to measure. It is all plain data, and with the weights it decides every digit of the scores."""

    source: Source
    prior: str
    """The checkpoint."""
    setting: Setting | None
    """None where nothing is sampled."""
    seed: int
    num_images: int


@dataclass(frozen=True)
class Measured:
    """A result, and the first pictures behind it."""

    scores: dict[str, float]
    evaluations: float
    """Network evaluations of a picture, on average."""
    seconds: float
    """Of sampling (without decoding and scoring) a picture, on average."""
    shown: Tensor
    """(SHOWN, C, H, W) uint8; none where nothing is made."""


class Laboratory:
    """Makes and scores pictures; keeps what several measurements need.

    Args:
        data: its pictures are the reference.
        protocol: how they are compared.
        trainer: sampling runs on its devices.
        batch_size: pictures at a time.
        novelty: whether to compare with the training pictures too.
        reference: a file of statistics that the Frechet distance is to, made where it is missing; None takes the
            reference pictures.
    """

    def __init__(
        self,
        data: ImageData,
        protocol: EvaluationProtocol,
        trainer: Trainer,
        batch_size: int = BATCH,
        novelty: bool = False,
        reference: Path | None = None,
    ) -> None:
        self.data, self.protocol, self.trainer, self.batch_size = data, protocol, trainer, batch_size
        self.novelty, self.reference = novelty, reference
        self.split: Split = protocol.split or "val"  # type: ignore[assignment]
        self._priors: dict[str, Prior] = {}
        self._weights: dict[str, str] = {}

    @classmethod
    def of(cls, suite: Suite, trainer: Trainer) -> Laboratory:
        """The laboratory of a suite."""
        reference = None if suite.reference is None else Path(suite.reference)
        return cls(suite.data, suite.protocol, trainer, suite.batch_size, suite.novelty, reference)

    @classmethod
    def again(cls, row: dict[str, Any], trainer: Trainer) -> Laboratory:
        """The laboratory that a row of results came from."""
        reference = None if row["reference"] is None else Path(row["reference"])
        made = build({name: row[name] for name in ("data", "protocol")})
        return cls(made["data"], made["protocol"], trainer, row["batch_size"], row["novelty"], reference)

    @property
    def precision(self) -> str:
        """Of the network; feature networks and likelihoods are in float32."""
        return str(self.trainer.precision)

    @property
    def num_real(self) -> int:
        """How many reference pictures there are."""
        there = len(self.data.dataset(self.split))
        return min(self.protocol.num_real or there, there)

    def prior(self, checkpoint: str) -> Prior:
        """A prior, loaded once."""
        if checkpoint not in self._priors:
            self._priors[checkpoint] = load(checkpoint, "prior")
        return self._priors[checkpoint]

    def tokenizer(self, checkpoint: str) -> str:
        """What names the weights of a prior's tokenizer."""
        return fingerprint(self.prior(checkpoint).tokenizer)

    def measure(self, task: Task, on_step: OnStep | None = None) -> Measured:
        """Do it. `on_step` is called after every step of every batch."""
        if task.source == "likelihood":
            return Measured(self._likelihood(task), 0.0, 0.0, torch.empty(0))
        if task.source != "sampler":
            images = self._end(task)
            return Measured(self._scores(self._features(images)), 0.0, 0.0, images[:SHOWN])
        assert task.setting is not None
        prior = self.prior(task.prior)
        looking_on = None if on_step is None else lambda _: on_step
        module = SamplingModule(prior, recipe_of(task.setting, prior), seed=task.seed, on_batch=looking_on)
        collector = Collector(self.protocol)
        self.trainer.callbacks = [collector]  # type: ignore[attr-defined]
        batches = indices(task.num_images, min(self.batch_size, task.num_images))
        self.trainer.predict(module, batches, return_predictions=False)
        evaluations, seconds = (collector.costs / task.num_images).tolist()
        return Measured(self._scores(collector.features), evaluations, seconds, collector.shown)

    def row(self, task: Task, measured: Measured) -> dict[str, Any]:
        """A result as plain data, with everything that is needed to make it again."""
        setting = {"sampler": None, "warps": None, "guidance": None} if task.setting is None else vars(task.setting)
        return {
            "id": self.name(task),
            "source": task.source,
            **setting,
            "seed": task.seed,
            "num_images": task.num_images,
            "scores": measured.scores,
            "evaluations": measured.evaluations,
            "seconds": measured.seconds,
            "prior": task.prior,
            "weights": self.weights(task.prior),
            "data": describe(self.data),
            "data_fingerprint": self.data_fingerprint,
            "protocol": describe(self.protocol),
            "rules": {
                **self.protocol.record(real=self.num_real, fake=task.num_images),
                "split": self.split,
                **({} if self.reference is None else {"frechet_reference": WHOLE_SPLIT}),
            },
            "batch_size": self.batch_size,
            "precision": self.precision,
            "novelty": self.novelty,
            "reference": None if self.reference is None else str(self.reference),
            **provenance(self.trainer.strategy.root_device),
        }

    def name(self, task: Task) -> str:
        """Twelve hex digits that name a measurement: equal ones have equal scores."""
        what = [task.source, task.setting and vars(task.setting), task.seed, task.num_images, self.novelty,
                self.weights(task.prior), self.data_fingerprint, describe(self.protocol)]  # fmt: skip
        if self.reference is not None:
            what.append(WHOLE_SPLIT)
        if self.precision != FULL_PRECISION:
            what.append(self.precision)
        return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]

    def weights(self, checkpoint: str) -> str:
        """What names the weights of a prior, worked out once."""
        if checkpoint not in self._weights:
            self._weights[checkpoint] = fingerprint(self.prior(checkpoint))
        return self._weights[checkpoint]

    @cached_property
    def data_fingerprint(self) -> str:
        """What names the pictures. It goes through the names of all of them, so it is kept."""
        return self.data.fingerprint

    @torch.no_grad()
    def _end(self, task: Task) -> Tensor:
        """Pictures that no sampler made."""
        train = self.data.dataset("train")
        some = torch.linspace(0, len(train) - 1, min(task.num_images, len(train))).round().long().tolist()
        if task.source == "training pictures":
            return train.__getitems__(some)["image"]
        prior = self.prior(task.prior)
        batches = some if task.source == "reconstructions" else list(range(len(train)))
        parts = [batches[i : i + BATCH] for i in range(0, len(batches), BATCH)]
        ids = torch.cat([prior.encode(train.__getitems__(part)["image"]) for part in parts])
        if task.source == "independent tokens":
            ids = independent_tokens(ids, Noise.of(task.seed, task.num_images))
        return torch.cat([prior.decode(part) for part in ids.split(BATCH)])

    def _likelihood(self, task: Task) -> dict[str, float]:
        bits = bits_per_token(self.prior(task.prior), self.data.dataset("val"), task.seed)
        return {} if bits is None else dict(zip((BITS, f"{BITS} standard error"), mean_and_error(bits), strict=True))

    def _scores(self, fake: Tensor) -> dict[str, float]:
        rules, real = self.protocol, self._real.to(fake.device)
        whole = None if self._statistics is None else self._statistics.to(fake.device)
        found = dict(generation_scores(real, fake, rules.features.name, rules.k, rules.ball, whole))
        if self.novelty:
            found.update(vars(novelty_scores(self._train.to(fake.device), real, fake)))
        return {name: float(value) for name, value in found.items()}

    def _features(self, images: Tensor) -> Tensor:
        return torch.cat([self.protocol.features(batch) for batch in images.split(BATCH)])

    @cached_property
    def _real(self) -> Tensor:
        there = len(self.data.dataset(self.split))
        return self._look(self.split, torch.linspace(0, there - 1, self.num_real).round().long())

    @cached_property
    def _train(self) -> Tensor:
        return self._look("train", torch.arange(len(self.data.dataset("train"))))

    @cached_property
    def _statistics(self) -> Statistics | None:
        if self.reference is None:
            return None
        if not self.reference.exists():
            whole = self._look(self.split, torch.arange(len(self.data.dataset(self.split))))
            save_statistics(statistics(whole), self.reference, self.protocol, self.data_fingerprint)
        return load_statistics(self.reference, self.protocol, self.data_fingerprint)

    def _look(self, split: Split, numbers: Tensor) -> Tensor:
        pictures = self.data.dataset(split)
        return torch.cat(
            [self._features(pictures.__getitems__(some.tolist())["image"]) for some in numbers.split(BATCH)]
        )


def recipe_of(setting: Setting, prior: Prior) -> Recipe:
    """What a setting samples a prior by; without warps, with the prior's own."""
    parts = build(vars(setting))
    return Recipe(parts["sampler"], parts["warps"] or prior.recipe.warps, parts["guidance"])


class Features(FeatureMetric):
    """Features of generated pictures, gathered over ranks."""

    parts = ("fake",)

    def compute(self) -> Tensor:
        """(n, d)."""
        return self.gathered()[0]


class Collector(BasePredictionWriter):
    """Features and costs of the pictures that a trainer predicts; complete on every rank after the run."""

    features: Tensor

    def __init__(self, protocol: EvaluationProtocol) -> None:
        super().__init__("batch")
        self.metric = Features(protocol)
        self.costs = torch.zeros(2, dtype=torch.float64)
        self.shown = torch.empty(0)

    def write_on_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, prediction: SampledPictures, *args: Any
    ) -> None:
        self.metric.to(prediction.images.device).update(prediction.images, real=False)
        self.costs += torch.tensor([float(prediction.evaluations.sum()), prediction.seconds])
        if len(self.shown) == 0:
            self.shown = prediction.images[:SHOWN].cpu()

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.features = self.metric.compute()
        self.costs = torch.as_tensor(trainer.strategy.reduce(self.costs.to(pl_module.device), reduce_op="sum")).cpu()
