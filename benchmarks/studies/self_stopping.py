"""When a SUNDAE picture may stop by itself: unchanged as written, or as proposed; on the prior of emoji64-class.yaml.

KID to the held-out emoji of 128 pictures a seed, and the network evaluations that a picture takes. Pictures of one seed
are the same until they stop, so that differences between rules are theirs alone. Some ten minutes on one core.

    python benchmarks/studies/self_stopping.py
"""

from __future__ import annotations

import argparse
from statistics import fmean, stdev

from emoji_kid import kid

from lightgen.samplers import SUNDAE

SETTINGS = {
    "the paper's": ({"steps": 100, "update": 0.5, "patience": 1}, 0.8, 1.0),
    "the prior's own": ({"steps": 32, "update": 0.7, "patience": 2}, 0.7, 2.0),
    "the same, patience 1": ({"steps": 32, "update": 0.7, "patience": 1}, 0.7, 2.0),
}
"""Arguments of the sampler, temperature, guidance scale."""
RULES = ("proposal", "written")
NUM_IMAGES = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    seeds = parser.parse_args().seeds
    print("| setting | unchanged | evaluations | KID | KID less that of the proposal's rule |")
    print("|---|---|---|---|---|")
    for name, (arguments, temperature, scale) in SETTINGS.items():
        first: list[float] = []
        for rule in RULES:
            sampler = SUNDAE(**arguments, unchanged=rule)  # type: ignore[arg-type]
            found = [kid("sundae", sampler, temperature, scale, seed, NUM_IMAGES) for seed in seeds]
            values, spent = [value for value, _ in found], fmean(spent for _, spent in found)
            first = first or values
            less = [value - other for value, other in zip(values, first, strict=True)]
            error = stdev(less) / len(less) ** 0.5
            print(
                f"| {name} | {rule} | {spent:.1f} | {fmean(values):.4f} | {fmean(less):+.4f} ± {error:.4f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
