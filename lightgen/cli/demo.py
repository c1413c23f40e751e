"""`lightgen demo`: the whole job on emoji, from nothing to scored pictures."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import torch
import yaml
from torch import Tensor

from lightgen.bench.baselines import independent_tokens
from lightgen.bench.scoring import Scoring
from lightgen.checkpoint import KEY, fingerprint, read
from lightgen.cli import fit
from lightgen.cli.output import set_up_output
from lightgen.cli.plain import PlainParser
from lightgen.cli.progress import progress_bar
from lightgen.cli.report import Report
from lightgen.data.emoji import Emoji
from lightgen.figures import grid, save_png, side_by_side
from lightgen.functional.random import Noise
from lightgen.metrics.features import EfficientNetLite0
from lightgen.prior import Prior, load
from lightgen.registry import build, describe
from lightgen.samplers.base import Sampler

STEP_COUNTS = (4, 8, 16, 32, 64)
NUM_IMAGES = 96
BATCH = 48
SEED = 0


def main(args: list[str]) -> int:
    """Train a tokenizer and a prior on emoji, sample, score, report. Called again, it goes on where it stopped."""
    parser = PlainParser(prog="lightgen demo", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything (default: demo)")
    out: Path = parser.parse_args(args[1:]).out
    set_up_output()
    start = time.perf_counter()
    data = Emoji()
    numbers = f"{len(data.dataset('train'))} emoji to learn from, {len(data.dataset('val'))} held out"
    print(f"lightgen learns to draw: {numbers}, everything goes to {out}/\n")

    print("1 of 4  A tokenizer, which turns 64x64 pictures into 16x16 tokens and back")
    tokenizer = train(out / "tokenizer", ["--config", "emoji64-tokenizer.yaml"])
    print("2 of 4  A SUNDAE prior, which learns what grids of tokens look like")
    paths = ["--model.tokenizer", tokenizer, "--data.cache", str(out / "token-cache")]
    prior = load(train(out / "prior", ["--config", "emoji64.yaml", *paths]))
    scoring = Scoring(EfficientNetLite0(), data.dataset("val").images(), out / "scores.json", scores_key(prior, data))
    report = Report(out, prior, data, scoring, STEP_COUNTS)
    print("3 of 4  What the tokenizer keeps of pictures it has never seen")
    report.psnr = reconstruct(prior, scoring.reference, out / "reconstructions.png")
    print(f"        {report.psnr:.1f} dB PSNR: {out / 'reconstructions.png'}\n")
    print(
        f"4 of 4  {NUM_IMAGES} new pictures at each of {len(STEP_COUNTS)} step counts, scored against the held-out ones"
    )
    score_ends(prior, data, scoring)
    for steps in STEP_COUNTS:
        path = out / "pictures" / f"{steps}-steps.png"
        row = scoring.add(str(steps), lambda steps=steps, path=path: sample(prior, steps, path))  # type: ignore[misc]
        print(
            f"        {steps:2d} steps: KID {row[report.kid]:.4f}, {report.relative(row):.2f} of the bad end's ({path})"
        )
    report.write()
    minutes = (time.perf_counter() - start) / 60
    print(f"\nDone in {minutes:.1f} minutes. Look at {out / 'samples.png'}, then read {out / 'report.md'}.")
    return 0


def train(root: Path, options: list[str]) -> str:
    """`lightgen fit` into a folder, unless that is done already; the path of the checkpoint."""
    last = root / "last.ckpt"
    if is_done(last):
        print(f"        already trained: {last}\n")
        return str(last)
    command = ["fit", *options, "--trainer.default_root_dir", str(root)]
    print(f"        lightgen {shlex.join(command)}")
    if last.is_file():
        command += ["--ckpt_path", str(last)]
    if fit.main(command):
        raise KeyboardInterrupt
    print()
    return str(last)


def is_done(path: Path) -> bool:
    """Whether the run that writes this checkpoint has reached its last step."""
    if not path.is_file():
        return False
    contents = read(path)
    return bool(contents["global_step"] >= yaml.safe_load(contents[KEY]["config"])["trainer"]["max_steps"])


def scores_key(prior: Prior, data: Emoji) -> str:
    """What scores depend on: they are not reused for anything else."""
    return " ".join(
        map(str, (fingerprint(prior), data.fingerprint, describe(prior.sampler), describe(prior.warps), NUM_IMAGES))
    )


def reconstruct(prior: Prior, originals: Tensor, path: Path) -> float:
    """Write pictures above their reconstructions; the mean PSNR of all in dB."""
    reconstructions = torch.cat([autoencode(prior, batch) for batch in originals.split(BATCH)])
    shown = slice(None, None, len(originals) // 32)
    save_png(side_by_side(originals[shown][:32], reconstructions[shown][:32], columns=16), path)
    error = (originals.double() - reconstructions.double()).div(255).square().flatten(1).mean(1)
    return float((-10 * error.log10()).mean())


def score_ends(prior: Prior, data: Emoji, scoring: Scoring) -> None:
    """Score what there is to compare with: real pictures, the tokenizer alone, tokens without any order."""
    pictures = data.dataset("train").images()
    some = pictures[:: len(pictures) // NUM_IMAGES][:NUM_IMAGES]

    def bad_end() -> Tensor:
        ids = torch.cat([prior.encode(batch) for batch in pictures.split(BATCH)])
        return prior.decode(independent_tokens(ids, Noise.of(SEED, NUM_IMAGES)))

    scoring.add(Report.GOOD, lambda: (some, {}))
    scoring.add(Report.TOKENIZER, lambda: (autoencode(prior, some), {}))
    scoring.add(Report.BAD, lambda: (bad_end(), {}))


def sample(prior: Prior, steps: int, path: Path) -> tuple[Tensor, dict[str, float]]:
    """Pictures at a number of steps, also written as a grid, and their mean number of network evaluations."""
    sampler, parts, evaluations = with_steps(prior.sampler, steps), [], 0
    with progress_bar(f"        sampling in {steps} steps", steps * NUM_IMAGES // BATCH) as advance:
        for first in range(0, NUM_IMAGES, BATCH):
            sampled = prior.sample_ids(Noise.of(SEED, BATCH, first), sampler, on_step=lambda *_: advance(1))
            evaluations += int(sampled.trace.evaluations.sum())
            parts.append(prior.decode(sampled.ids))
    save_png(grid(torch.cat(parts), 16), path)
    return torch.cat(parts), {"evaluations": evaluations / NUM_IMAGES}


def with_steps(sampler: Sampler, steps: int) -> Sampler:
    """The same sampler with another number of steps."""
    description = describe(sampler)
    description["arguments"]["steps"] = steps
    changed: Sampler = build(description)
    return changed


def autoencode(prior: Prior, images: Tensor) -> Tensor:
    """uint8 pictures through the tokenizer and back."""
    return prior.decode(prior.encode(images))
