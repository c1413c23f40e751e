"""Reconstructions of held-out emoji with and without a discriminator, after equally many batches, as a markdown table.

One config, 2,000 batches of 8; the discriminator starts at batch 500, so that both runs are the same until then.
Variants of the config were tried on seed 0, so other seeds are reported:

    python benchmarks/studies/adversarial.py --seeds 1 2

Runs that are complete in the folder are not repeated, and those that were interrupted go on.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path

from emoji_health import health_on_emoji
from training import run

from lightgen.checkpoint import load
from lightgen.data.emoji import Emoji
from lightgen.losses.perceptual import FeatureDistance
from lightgen.provenance import provenance

CONFIG = "emoji64-gan-tokenizer.yaml"
RUNS = {"without": ["--model.adversarial", "null"], "with": []}
ROWS = {
    "FD(efficientnet-lite0)": "{:.1f}",
    "FD(efficientnet-lite0) 10% random": "{:.1f}",
    "feature distance(efficientnet-lite0)": "{:.4f}",
    "psnr": "{:.2f}",
    "ssim": "{:.4f}",
    "codebook_usage": "{:.3f}",
    "codebook_perplexity": "{:.1f}",
}


def command(name: str, seed: int, root: Path) -> list[str]:
    """The arguments of `lightgen` that train one of the two."""
    logger = ["--trainer.logger", "lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir", str(root)]
    return ["fit", "--config", CONFIG, *RUNS[name], "--seed_everything", str(seed), "--trainer.default_root_dir",
            str(root), *logger, "--trainer.enable_progress_bar", "false"]  # fmt: skip


def logged(folder: Path) -> tuple[int, int]:
    """How many training values a run logged that are not finite, and how many updates it skipped."""
    rows = [row for path in folder.rglob("metrics.csv") for row in csv.DictReader(path.open(encoding="utf-8"))]
    values = [float(value) for row in rows for name, value in row.items() if name.startswith("train/") and value]
    return sum(not math.isfinite(v) for v in values), int(max(float(row["train/skipped"] or 0) for row in rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/adversarial"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2], help="of the initial weights")
    args = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    numbers: dict[str, tuple[int, int]] = {}
    for seed in args.seeds:
        for name in RUNS:
            root, column = args.out / f"{name}-{seed}", f"{name}, seed {seed}"
            tokenizer = load(run(command(name, seed, root), root), "tokenizer")
            found[column] = health_on_emoji(tokenizer, FeatureDistance())
            numbers[column] = logged(root)
    print(f"\n{len(Emoji().dataset('val'))} held-out emoji at 64x64, {CONFIG}, with and without discriminator\n")
    print(f"| | {' | '.join(found)} |")
    print("|---|" + "---|" * len(found))
    for row, form in ROWS.items():
        print(f"| {row} | {' | '.join(form.format(values[row]) for values in found.values())} |")
    for i, row in enumerate(("logged training values that are not finite", "updates skipped")):
        print(f"| {row} | {' | '.join(str(pair[i]) for pair in numbers.values())} |")
    print(f"\n{', '.join(f'{name} {value}' for name, value in provenance().items())}")


if __name__ == "__main__":
    main()
