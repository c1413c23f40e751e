"""Whose confidence, the network's own or that after the warps; and leave-one-out warps: on priors by class.

KID to the held-out emoji of 400 pictures, mean over seeds and, of two ways on the same seeds, of their differences. The
settings are those that the suite emoji64 chose for the warped way; leave-one-out warps are tuned on seed 1000.

    python benchmarks/studies/confidence.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from statistics import fmean

from emoji_kid import best_temperature, kid

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

NUM_IMAGES = 400


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
                    best = best_temperature("uniform", made(), 2.0)
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


if __name__ == "__main__":
    main()
