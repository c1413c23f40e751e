"""Uniform diffusion with a cosine and with its square: two priors that were trained alike, on emoji.

    for schedule in cosine squared_cosine; do
        lightgen fit --config emoji64-class.yaml --config method/uniform.yaml --model.process.schedule $schedule \\
            --trainer.limit_val_batches 0 --trainer.default_root_dir runs/uniform-$schedule
    done
    python benchmarks/studies/uniform_schedule.py runs/uniform-{cosine,squared_cosine}/last.ckpt

KID to the held-out emoji, of ancestral sampling at the temperature that is best on seed 1000, and bits per token.
"""

from __future__ import annotations

import argparse
from statistics import fmean, stdev

from emoji_kid import best_temperature, kid, loaded

from lightgen.bench.likelihood import bits_per_token
from lightgen.data.emoji import Emoji
from lightgen.samplers import Ancestral

SCALE = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+")
    parser.add_argument("--evaluations", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=200, help="for each seed")
    arguments = parser.parse_args()
    print("| schedule | evaluations | temperature | KID | bits per token |")
    print("|---|---|---|---|---|")
    for path in arguments.checkpoints:
        bits = bits_per_token(loaded(path), Emoji().dataset("val"), 0)
        assert bits is not None
        for evaluations in arguments.evaluations:
            sampler = Ancestral(evaluations // 2)
            best = best_temperature(path, sampler, SCALE)
            found = [kid(path, sampler, best, SCALE, seed, arguments.images)[0] for seed in arguments.seeds]
            error = stdev(found) / len(found) ** 0.5
            name = loaded(path).process.schedule
            print(
                f"| {name} | {evaluations} | {best} | {fmean(found):.4f} ± {error:.4f} | {float(bits.mean()):.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
