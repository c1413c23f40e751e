"""Whose confidence, the network's own or that after the warps; and leave-one-out warps: on the emoji priors of the zoo.

KID to the held-out emoji of 400 pictures, mean over seeds and, of two ways on the same seeds, of their differences. The
settings are those that the suite emoji64 chose for the warped way; leave-one-out warps are tuned on seed 1000.

    python benchmarks/studies/confidence.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import cache, partial
from statistics import fmean

import torch
from torch import Tensor

import lightgen
from lightgen.data.emoji import Emoji
from lightgen.functional.distances import kernel_distance
from lightgen.guidance import ConstantGuidance
from lightgen.metrics.features import EfficientNetLite0
from lightgen.recipe import Recipe
from lightgen.samplers import (
    Ancestral,
    ArgmaxUnrolled,
    Confidence,
    EBSampler,
    MaskGIT,
    PredictorCorrector,
    Purity,
    ReMDM,
    Sampler,
)
from lightgen.warps import Warps

NUM_IMAGES, TUNING_IMAGES, TUNING_SEED = 400, 64, 1000
TEMPERATURES = (0.4, 0.55, 0.7, 0.85)


def remdm(steps: int, confidence: str) -> Sampler:
    return ReMDM(steps, Confidence(4.0, confidence))  # type: ignore[arg-type]


CONFIDENCE: list[tuple[str, str, Callable[..., Sampler], int, float, float]] = [
    ("MaskGIT", "absorbing", MaskGIT, 8, 0.4, 2.0),
    ("MaskGIT", "absorbing", MaskGIT, 16, 0.4, 2.0),
    ("MaskGIT", "absorbing", MaskGIT, 32, 0.55, 2.0),
    ("ArgmaxUnrolled", "sundae", ArgmaxUnrolled, 16, 0.4, 2.0),
    ("Purity", "mask-replace", Purity, 8, 0.4, 1.0),
    ("Purity", "mask-replace", Purity, 16, 0.55, 2.0),
    ("Purity", "mask-replace", Purity, 32, 0.55, 2.0),
    ("ReMDM, Confidence", "absorbing", remdm, 32, 0.55, 2.0),
]
"""Name, prior, sampler, network evaluations, temperature, guidance scale."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--part", choices=("confidence", "leave_one_out", "eb_sampler"), nargs="+",
                        default=["confidence", "leave_one_out", "eb_sampler"])  # fmt: skip
    arguments = parser.parse_args()
    seeds = arguments.seeds
    print("| sampler | evaluations | one way | KID | other way | KID | difference, by seed |")
    print("|---|---|---|---|---|---|---|")
    if "confidence" in arguments.part:
        for name, prior, make, evaluations, temperature, scale in CONFIDENCE:
            steps = evaluations // (2 if scale != 1 else 1) // (2 if make is ArgmaxUnrolled else 1)
            ways = [(way, partial(make, steps, confidence=way), temperature) for way in ("warped", "network")]
            compare(name, prior, evaluations, scale, ways, seeds)
    if "leave_one_out" in arguments.part:
        for name, sampler in (("Ancestral", Ancestral), ("PredictorCorrector", PredictorCorrector)):
            for evaluations in (16, 32, 64) if sampler is Ancestral else (32,):
                ways = []
                for on in (False, True):
                    made = partial(sampler, evaluations // 2, leave_one_out=on)
                    best = min(
                        TEMPERATURES, key=lambda t, m=made: kid("uniform", m(), t, 2.0, TUNING_SEED, TUNING_IMAGES)[0]
                    )
                    ways.append((f"{'leave one out' if on else 'as it is'}, temperature {best}", made, best))
                compare(f"{name}, uniform", "uniform", evaluations, 2.0, ways, seeds)
    if "eb_sampler" in arguments.part:
        for gamma in (4.0, 16.0, 64.0):
            found = [kid("absorbing", EBSampler(gamma), 0.4, 2.0, seed, NUM_IMAGES) for seed in seeds]
            mean, spent = fmean(value for value, _ in found), fmean(spent for _, spent in found)
            print(
                f"| EBSampler, gamma {gamma:g} | {spent:.1f}, measured | temperature 0.4 | {mean:.3f} | | | |",
                flush=True,
            )


def compare(
    name: str, prior: str, evaluations: int, scale: float, ways: list[tuple[str, Callable[[], Sampler], float]],
    seeds: list[int],
) -> None:  # fmt: skip
    """Print a row of two ways on the same seeds."""
    values = [
        [kid(prior, make(), temperature, scale, seed, NUM_IMAGES)[0] for seed in seeds] for _, make, temperature in ways
    ]
    cells = [cell for (way, _, _), found in zip(ways, values, strict=True) for cell in (way, f"{fmean(found):.4f}")]
    differences = ", ".join(f"{b - a:+.4f}" for a, b in zip(*values, strict=True))
    print(f"| {name} | {evaluations} | {' | '.join(cells)} | {differences} |", flush=True)


def kid(prior: str, sampler: Sampler, temperature: float, scale: float, seed: int, num: int) -> tuple[float, float]:
    """KID of pictures, and the network evaluations of one, on average."""
    made = loaded(prior)
    recipe = Recipe(sampler, Warps(temperature), ConstantGuidance(scale))
    features, evaluations = [], []
    for first in range(0, num, 64):
        noise = lightgen.functional.random.Noise.of(seed, min(64, num - first), first)
        sample = made.sample_ids(noise, recipe)
        evaluations.append(sample.trace.evaluations.double())
        features.append(network()(made.decode(sample.ids)))
    return float(kernel_distance(real(), torch.cat(features)).value), float(torch.cat(evaluations).mean())


@cache
def loaded(prior: str) -> lightgen.prior.Prior:
    """Of the zoo by the end of its name, or of a checkpoint's path."""
    return lightgen.load(prior if "/" in prior else f"zoo:emoji64-{prior}")


@cache
def network() -> EfficientNetLite0:
    return EfficientNetLite0()


@cache
def real() -> Tensor:
    data = Emoji(image_size=64, mirror=True, val_fraction=0.1, test_fraction=0.0, skin_tones=False)
    images = data.dataset("val").images()
    return torch.cat([network()(batch) for batch in images.split(64)])


if __name__ == "__main__":
    main()
