"""Carries out measurements: pictures from a prior or a baseline, then their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from lightgen.bench.baselines import baseline
from lightgen.bench.evaluator import Evaluator
from lightgen.bench.generator import SHOWN, Generated, Generator
from lightgen.bench.judges import Judges, Reranking
from lightgen.bench.likelihood import BITS, bits_per_token, mean_and_error
from lightgen.bench.measurement import Measurement, Source
from lightgen.bench.priors import Priors
from lightgen.bench.rows import Place, Row
from lightgen.bench.suite import Suite
from lightgen.condition import Condition
from lightgen.data.base import ImageData
from lightgen.data.held_out import held_out
from lightgen.metrics.protocols import EvaluationProtocol
from lightgen.metrics.scores import Score, checked, standard_error_of
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.types import OnStep


@dataclass(frozen=True)
class Outcome:
    """What a measurement found."""

    scores: dict[str, float]
    """By label."""
    evaluations: float
    """Network evaluations of a picture, on average."""
    seconds: float
    """Of sampling a picture, on average."""
    shown: Tensor
    """The first pictures (n, C, H, W) uint8; none where nothing is made."""


class Runner:
    """The priors, the generator and the evaluator of a comparison.

    Args:
        data: its pictures are the reference.
        protocol: how pictures are compared.
        trainer: sampling runs on its devices.
        scores: what is computed; None takes `lightgen.metrics.scores.DEFAULT`.
        batch_size: pictures at a time.
        reference: a file of statistics that the Frechet distance is to; None takes the reference pictures.
        judge: the checkpoint of the scorer that says how well pictures fit what they were asked for by, or None.
    """

    def __init__(
        self,
        data: ImageData,
        protocol: EvaluationProtocol,
        trainer: Trainer,
        scores: Sequence[Score] | None = None,
        batch_size: int = 64,
        reference: str | None = None,
        judge: str | None = None,
    ) -> None:
        self.priors, self.judges, self.judge = Priors(), Judges(), judge
        self.generator = Generator(protocol, trainer, batch_size, None if judge is None else self.judges[judge])
        self.evaluator = Evaluator(data, protocol, checked(scores), None if reference is None else Path(reference))

    @classmethod
    def of(cls, suite: Suite, trainer: Trainer) -> Runner:
        """The runner of a suite."""
        return cls(suite.data, suite.protocol, trainer, suite.scores, suite.batch_size, suite.reference, suite.judge)

    @classmethod
    def again(cls, row: Row, trainer: Trainer) -> Runner:
        """The runner that a row of results came from."""
        what = row.measurement
        scores = build(list(row.scored_by), "score") or None
        data, protocol = build(what.data, "data"), build(what.protocol, "protocol")
        return cls(data, protocol, trainer, scores, what.batch_size, what.reference, row.judge)

    @property
    def precision(self) -> str:
        """Of the network; feature networks and likelihoods are in float32."""
        return str(self.generator.trainer.precision)

    def measurement(
        self,
        source: Source,
        prior: str,
        seed: int,
        num_images: int,
        recipe: Recipe | None = None,
        reranking: Reranking | None = None,
    ) -> Measurement:
        """What is to be measured, as plain data; a recipe for pictures that are sampled, and how they are chosen."""
        reference = self.evaluator.reference
        return Measurement(
            source=source,
            prior=prior,
            weights=self.priors.weights(prior),
            recipe=describe(recipe),
            seed=seed,
            num_images=num_images,
            data=describe(self.evaluator.data),
            data_fingerprint=self.evaluator.data_fingerprint,
            protocol=describe(self.evaluator.protocol),
            reference=None if reference is None else str(reference),
            batch_size=self.generator.batch_size,
            precision=self.precision,
            reranking=None if reranking is None else asdict(reranking),
        )

    def run(self, what: Measurement, on_step: OnStep | None = None) -> Outcome:
        """Do it. `on_step` is called after every step of every batch."""
        if what.source == "likelihood":
            return Outcome(self._likelihood(what), 0.0, 0.0, torch.empty(0))
        made = self._generated(what, on_step)
        return Outcome(self.evaluator(made.features) | made.judged, made.evaluations, made.seconds, made.shown)

    def row(self, place: Place, what: Measurement, outcome: Outcome) -> Row:
        """What is kept of it."""
        return Row(
            place=place,
            id=what.id,
            measurement=what,
            scored_by=() if what.source == "likelihood" else tuple(map(describe, self.evaluator.scores)),
            scores=outcome.scores,
            evaluations=outcome.evaluations,
            seconds=outcome.seconds,
            num_real=self.evaluator.num_real,
            rules=self.evaluator.rules(what.num_images),
            provenance=provenance(self.generator.trainer.strategy.root_device),
            judge=self.judge,
        )

    def asked(self, prior: Prior, seed: int) -> Condition:
        """What pictures are asked for, as `held_out` says."""
        seen = self.evaluator
        return held_out(prior, seen.data.dataset(seen.split), seen.data.conditions, seed, seen.numbers.tolist())

    def _generated(self, what: Measurement, on_step: OnStep | None) -> Generated:
        prior = self.priors[what.prior]
        if what.source == "sampler":
            condition = self.asked(prior, what.seed)
            recipe = build(what.recipe, "recipe")
            best_of = None if what.reranking is None else self.judges.choice(Reranking(**what.reranking))
            return self.generator(prior, recipe, what.seed, what.num_images, on_step, condition, best_of)
        train = self.evaluator.data.dataset("train")
        images = baseline(what.source, prior, train, what.seed, what.num_images)
        return Generated(self.evaluator.features(images), images[:SHOWN])

    def _likelihood(self, what: Measurement) -> dict[str, float]:
        bits = bits_per_token(self.priors[what.prior], self.evaluator.data.dataset("val"), what.seed)
        assert bits is not None
        return dict(zip((BITS, standard_error_of(BITS)), mean_and_error(bits), strict=True))
