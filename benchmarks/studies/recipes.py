"""What the recipes of two stages keep and gain, on held-out emoji at 64x64, as markdown.

SeQ-GAN's second phase must leave every id as it is and make better pictures; ReFiT gives up three of four codes, and
is compared to the same finetuning of all codes. The shipped configs, each from start to end:

    python benchmarks/studies/recipes.py > benchmarks/results/recipes.md

Runs that are complete in the folder are not repeated, and those that were interrupted go on.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import redirect_stdout
from datetime import date
from math import log2
from pathlib import Path
from typing import Any

import torch
from emoji_health import BATCH, health_on_emoji
from training import run

from lightgen.checkpoint import load
from lightgen.data.emoji import Emoji
from lightgen.losses.perceptual import FeatureDistance
from lightgen.provenance import provenance
from lightgen.types import to_unit

FIRST, SECOND, REFIT, KEPT = "SeQ-GAN, phase one", "SeQ-GAN, phase two", "ReFiT", "finetuned as ReFiT, all codes kept"
RUNS = {
    FIRST: ["--config", "emoji64-semantic-tokenizer.yaml"],
    SECOND: ["--config", "emoji64-decoder-tokenizer.yaml"],
    REFIT: ["--config", "emoji64-refit-tokenizer.yaml"],
    KEPT: ["--config", "emoji64-refit-tokenizer.yaml", "--model.quantizer", "null", "--trainer.callbacks", "[]"],
}
SCORES = {
    "psnr": ".2f",
    "ssim": ".4f",
    "FD(efficientnet-lite0)": ".1f",
    "feature distance(efficientnet-lite0)": ".4f",
    "codebook_usage": ".1%",
    "codebook_perplexity": ".0f",
}


def train(name: str, root: Path) -> Path:
    """Train one of them, or what is left of it; the path of its checkpoint."""
    folders = {each: root / str(number) for number, each in enumerate(RUNS)}
    args = ["fit", *RUNS[name], "--trainer.default_root_dir", str(folders[name])]
    args += ["--trainer.enable_progress_bar", "false", "--trainer.limit_val_batches", "0"]
    if name != FIRST:
        args += ["--model.tokenizer", str(folders[FIRST] / "last.ckpt")]
    with redirect_stdout(sys.stderr):
        return run(args, folders[name])


@torch.no_grad()
def examine(tokenizer: Any) -> tuple[torch.Tensor, dict[str, float]]:
    """The ids of all held-out pictures, and the health of the tokenizer on them."""
    pictures = Emoji().dataset("val").images()
    ids = torch.cat([tokenizer.encode(to_unit(batch)) for batch in pictures.split(BATCH)])
    return ids, health_on_emoji(tokenizer, FeatureDistance())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/recipes"), help="folder of the runs")
    root = parser.parse_args().out
    found, rows = {}, []
    for name in RUNS:
        tokenizer = load(train(name, root), "tokenizer")
        found[name] = ids, scores = examine(tokenizer)
        bits = round(ids[0].numel() * log2(tokenizer.layout.vocab_size))
        cells = [
            str(tokenizer.layout.vocab_size),
            str(bits),
            *(format(scores[key], form) for key, form in SCORES.items()),
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    changed, total = int((found[FIRST][0] != found[SECOND][0]).sum()), found[FIRST][0].numel()
    psnr = {name: scores["psnr"] for name, (_, scores) in found.items()}
    print("# Recipes of two stages on emoji at 64x64\n")
    print(f"`python benchmarks/studies/recipes.py` on {date.today()}: the configs as they are shipped, seed 0.")
    print(f"Scores of the {len(found[FIRST][0])} held-out pictures, rounded to 8 bits.\n")
    print(f"- SeQ-GAN, phase two: {changed} of {total} ids changed; PSNR {psnr[SECOND] - psnr[FIRST]:+.2f} dB.")
    print(f"- ReFiT to a quarter of the codes: PSNR {psnr[REFIT] - psnr[KEPT]:+.2f} dB to the same finetuning of all")
    print(f"  codes, {psnr[REFIT] - psnr[FIRST]:+.2f} dB to where it started.\n")
    print(f"| run | codes | bits | {' | '.join(SCORES)} |")
    print("|---|---:|---:|" + "---:|" * len(SCORES))
    print("\n".join(rows))
    print("\nThe commands:\n")
    print("\n".join(f"    lightgen fit {shlex.join(args)}" for args in RUNS.values()))
    print(f"\n{', '.join(f'{name} {value}' for name, value in provenance().items())}")


if __name__ == "__main__":
    main()
