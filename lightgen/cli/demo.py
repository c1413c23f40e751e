"""`lightgen demo`: the whole job on emoji, from nothing to samplers compared, by commands that anyone can give."""

from __future__ import annotations

import shlex
import shutil
import sys
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
STAGES = (
    (3, "A tokenizer, which turns 64x64 pictures into 16x16 tokens and back"),
    (7, "A SUNDAE prior, which learns what grids of tokens look like"),
    (0, "What the tokenizer keeps of pictures that it has never seen"),
    (0, "New pictures"),
    (2, "The same prior under two samplers, at equal numbers of network evaluations"),
)
"""What is done, and how many minutes it takes on two cores with nothing else to do."""
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
    print(f"lightgen learns to draw: {numbers}, in about {sum(minutes for minutes, _ in STAGES)} minutes on two cores.")
    print(f"Everything goes to {out}/; stopped, the same command goes on.")
    tokenizer, prior = out / "tokenizer" / "last.ckpt", out / "prior" / "last.ckpt"

    announce(1)
    train(tokenizer, "--config", "emoji64-tokenizer.yaml")
    announce(2)
    paths = ("--model.tokenizer", str(tokenizer), "--data.cache", str(out / "token-cache"))
    train(prior, "--config", "emoji64.yaml", *paths)
    announce(3)
    run("reconstruct", "--ckpt_path", str(tokenizer), "--out", str(out / "reconstructions"))
    announce(4)
    run("sample", "--ckpt_path", str(prior), "--num_images", "48", "--out", str(out / "samples"), *ONE_DEVICE)
    announce(5)
    run("bench", "--config", "demo.yaml", "--priors.emoji", str(prior), "--out", str(out / "bench"), *ONE_DEVICE)

    minutes = (time.perf_counter() - start) / 60
    report = (out / "bench" / "report.html").resolve().as_uri()
    print(f"\nDone in {minutes:.1f} minutes. What to do next:")
    print(f"  open the report    python3 -m webbrowser {report}")
    print(f"  sharper emoji      {program()} sample --ckpt_path zoo:emoji64-causal --num_images 36 --out samples")
    print(f"  your own pictures  {program()} fit --config pictures64-tokenizer.yaml --data.root FOLDER")
    return 0


def announce(number: int) -> None:
    """Say which stage comes, and how long it will take."""
    minutes, what = STAGES[number - 1]
    print(f"\n{number} of {len(STAGES)}, {f'about {minutes} minutes' if minutes else 'under a minute'}: {what}")


def program() -> str:
    """How this very command is called: it may not be on the path."""
    called = Path(sys.argv[0])
    return "lightgen" if shutil.which("lightgen") or called.name != "lightgen" else str(called)


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
    print(f"        {program()} {shlex.join(command)}")
    try:
        COMMANDS[command[0]].main(list(command))
    except KeyboardInterrupt:
        # Without the command's own way to go on, which is not the demo's.
        raise KeyboardInterrupt from None
