"""`lightgen demo`: the whole job on emoji, from nothing to samplers compared, by commands that anyone can give."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import yaml

from lightgen.checkpoint import KEY, read
from lightgen.cli import bench, fit, reconstruct, sample
from lightgen.cli.output import set_up_output
from lightgen.cli.plain import PlainParser
from lightgen.data.emoji import Emoji

# A run on several devices starts its other processes once, and so cannot be followed by another run.
ONE_DEVICE = ("--trainer.devices", "1")
COMMANDS = {"fit": fit, "reconstruct": reconstruct, "sample": sample, "bench": bench}


def main(args: list[str]) -> int:
    """Train a tokenizer and a prior on emoji, draw new ones, compare two samplers. It goes on where it stopped."""
    parser = PlainParser(prog="lightgen demo", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything (default: demo)")
    out: Path = parser.parse_args(args[1:]).out
    set_up_output()
    start = time.perf_counter()
    data = Emoji()
    numbers = f"{len(data.dataset('train'))} emoji to learn from, {len(data.dataset('val'))} held out"
    print(f"lightgen learns to draw: {numbers}, everything goes to {out}/")
    tokenizer, prior = out / "tokenizer" / "last.ckpt", out / "prior" / "last.ckpt"

    print("\n1 of 5  A tokenizer, which turns 64x64 pictures into 16x16 tokens and back")
    train(tokenizer, "--config", "emoji64-tokenizer.yaml")
    print("\n2 of 5  A SUNDAE prior, which learns what grids of tokens look like")
    paths = ("--model.tokenizer", str(tokenizer), "--data.cache", str(out / "token-cache"))
    train(prior, "--config", "emoji64.yaml", *paths)
    print("\n3 of 5  What the tokenizer keeps of pictures that it has never seen")
    run("reconstruct", "--ckpt_path", str(tokenizer), "--out", str(out / "reconstructions"))
    print("\n4 of 5  New pictures")
    run("sample", "--ckpt_path", str(prior), "--num_images", "48", "--out", str(out / "samples"), *ONE_DEVICE)
    print("\n5 of 5  The same prior under two samplers, at equal numbers of network evaluations")
    run("bench", "--config", "demo.yaml", "--priors.emoji", str(prior), "--out", str(out / "bench"), *ONE_DEVICE)

    minutes = (time.perf_counter() - start) / 60
    print(f"\nDone in {minutes:.1f} minutes. Look at {out}/samples/grid.png, then open {out}/bench/report.html.")
    return 0


def train(checkpoint: Path, *options: str) -> None:
    """`lightgen fit` into the folder of a checkpoint, unless that is done already."""
    if is_done(checkpoint):
        print(f"        already trained: {checkpoint}")
        return
    resume = ("--ckpt_path", str(checkpoint)) if checkpoint.is_file() else ()
    run("fit", *options, "--trainer.default_root_dir", str(checkpoint.parent), *ONE_DEVICE, *resume)


def is_done(checkpoint: Path) -> bool:
    """Whether the run that writes this checkpoint has reached its last step."""
    if not checkpoint.is_file():
        return False
    contents = read(checkpoint)
    return bool(contents["global_step"] >= yaml.safe_load(contents[KEY]["config"])["trainer"]["max_steps"])


def run(*command: str) -> None:
    """Say a command, and do it.

    Raises:
        KeyboardInterrupt: if it was interrupted.
    """
    print(f"        lightgen {shlex.join(command)}")
    try:
        COMMANDS[command[0]].main(list(command))
    except KeyboardInterrupt:
        # Without the command's own way to go on, which is not the demo's.
        raise KeyboardInterrupt from None
