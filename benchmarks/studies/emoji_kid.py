"""What the studies share that compare samplers by the KID of their pictures to the held-out emoji."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from lightgen.checkpoint import load
from lightgen.data.emoji import Emoji
from lightgen.functional.distances import kernel_distance
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.metrics.features import EfficientNetLite0
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.samplers import Sampler
from lightgen.warps import Warps

BATCH = 64
TEMPERATURES = (0.4, 0.55, 0.7, 0.85)
TUNING_IMAGES, TUNING_SEED = 64, 1000


def kid(prior: str, sampler: Sampler, temperature: float, scale: float, seed: int, num: int) -> tuple[float, float]:
    """KID of pictures, and the network evaluations of one, on average."""
    made = loaded(prior)
    recipe = Recipe(sampler, Warps(temperature), ConstantGuidance(scale))
    features, evaluations = [], []
    for first in range(0, num, BATCH):
        sample = made.sample_ids(Noise.of(seed, min(BATCH, num - first), first), recipe)
        evaluations.append(sample.trace.evaluations.double())
        features.append(network()(made.decode(sample.ids)))
    return float(kernel_distance(real(), torch.cat(features)).value), float(torch.cat(evaluations).mean())


def best_temperature(prior: str, sampler: Sampler, scale: float) -> float:
    """The one of the lowest KID on a seed for tuning."""
    return min(TEMPERATURES, key=lambda t: kid(prior, sampler, t, scale, TUNING_SEED, TUNING_IMAGES)[0])


@cache
def loaded(prior: str) -> Prior:
    """Of `emoji64-class.yaml` by the name of its method, or of a checkpoint's path."""
    return load(prior if "/" in prior else f"runs/emoji64-{prior}/last.ckpt", "prior")


@cache
def network() -> EfficientNetLite0:
    return EfficientNetLite0()


@cache
def real() -> Tensor:
    return torch.cat([network()(batch) for batch in Emoji().dataset("val").images().split(BATCH)])
