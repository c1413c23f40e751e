"""`lightgen demo`: the whole job on emoji, from nothing to samplers compared, by commands that anyone can give."""

from __future__ import annotations

import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, Trainer

from lightgen.callbacks.preview import Preview
from lightgen.checkpoint import KEY, read
from lightgen.cli import bench, fit, reconstruct, sample
from lightgen.cli.output import set_up_output
from lightgen.cli.plain import PlainParser
from lightgen.data.emoji import Emoji

# A run on several devices starts its other processes once, and so cannot be followed by another run.
ONE_DEVICE = ("--trainer.devices", "1")
STAGES = (
    (3, "A tokenizer, which turns 64x64 pictures into 8x8 tokens and back"),
    (7, "A SUNDAE prior, which learns what grids of tokens look like"),
    (0, "What the tokenizer keeps of pictures that it has never seen"),
    (0, "New pictures"),
    (2, "The same prior under two samplers, at equal numbers of network evaluations"),
)
"""How many minutes each stage takes on two cores with nothing else to do, and what is done."""
COMMANDS = {"fit": fit, "reconstruct": reconstruct, "sample": sample, "bench": bench}


def main(args: list[str]) -> int:
    """Train a tokenizer and a prior on emoji, draw new ones, compare two samplers. It goes on where it stopped."""
    parser = PlainParser(prog="lightgen demo", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for everything (default: demo)")
    out: Path = parser.parse_args(args[1:]).out
    set_up_output()
    outlook = Outlook()
    data = Emoji()
    numbers = f"{len(data.dataset('train'))} emoji to learn from, {len(data.dataset('val'))} held out"
    print(f"lightgen learns to draw: {numbers}, in about {sum(minutes for minutes, _ in STAGES)} minutes on two cores.")
    print(f"Everything goes to {out}/; stopped, the same command goes on. A line a minute says where to look.")
    try:
        make(out, outlook)
    except KeyboardInterrupt:
        # Not the way that the interrupted command itself would go on.
        command = shlex.join((program(), "demo", "--out", str(out)))
        raise KeyboardInterrupt(f"interrupted; this goes on: {command}") from None

    report = (out / "bench" / "report.html").resolve().as_uri()
    print(f"\nDone in {outlook.elapsed():.1f} minutes. Three things to try:")
    print(f"  open the report    python3 -m webbrowser {report}")
    print(f"  emoji by text      {program()} sample --ckpt_path zoo:icons64-causal --text 'red heart' --out by-text")
    print(f"  your own pictures  {program()} fit --config pictures64-tokenizer.yaml --data.root FOLDER")
    return 0


def make(out: Path, outlook: Outlook) -> None:
    """All stages, one after another.

    Raises:
        KeyboardInterrupt: if it was interrupted.
    """
    tokenizer, prior = out / "tokenizer" / "last.ckpt", out / "prior" / "last.ckpt"
    outlook.announce(1)
    train(tokenizer, outlook, "--config", "emoji64-tokenizer.yaml")
    outlook.announce(2)
    paths = ("--model.tokenizer", str(tokenizer), "--data.cache", str(out / "token-cache"))
    train(prior, outlook, "--config", "emoji64.yaml", *paths)
    outlook.announce(3)
    run("reconstruct", "--ckpt_path", str(tokenizer), "--out", str(out / "reconstructions"))
    outlook.announce(4)
    run("sample", "--ckpt_path", str(prior), "--num_images", "48", "--out", str(out / "samples"), *ONE_DEVICE)
    outlook.announce(5)
    run("bench", "--config", "demo.yaml", "--priors.emoji", str(prior), "--out", str(out / "bench"), *ONE_DEVICE)


class Outlook:
    """How long the rest of the demo takes, if it goes on at the speed so far."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.stage = 0
        self.worked = 0.0
        """Minutes of the plan that were worked off since the start; what an earlier run did is not among them."""

    def elapsed(self) -> float:
        """Minutes since the start."""
        return (time.monotonic() - self.start) / 60

    def announce(self, number: int) -> None:
        """Say which stage comes, how long it takes on its own, and how much is left of all."""
        self.stage = number
        minutes, what = STAGES[number - 1]
        own = f"about {minutes} minutes" if minutes else "under a minute"
        print(f"\n{number} of {len(STAGES)}, {own}, {self.left()} left in all: {what}", flush=True)

    def left(self, done: float = 0.0, now: float = 0.0) -> str:
        """The minutes that are left, where a share of this stage is done, and a share of it since the start."""
        planned = [minutes for minutes, _ in STAGES]
        rest = sum(planned[self.stage - 1 :]) - done * planned[self.stage - 1]
        worked = self.worked + now * planned[self.stage - 1]
        # A quarter of a minute says little of the speed.
        slower = self.elapsed() / worked if worked > 0.25 else 1.0
        minutes = round(rest * slower)
        return f"about {minutes} minutes" if minutes > 1 else "about a minute"


class Minutely(Preview):
    """A picture a minute, and how much of the whole demo is left."""

    def __init__(self, outlook: Outlook) -> None:
        super().__init__()
        self.outlook = outlook
        self.first = 0.0

    def on_train_start(self, trainer: Trainer, *args: Any) -> None:
        super().on_train_start(trainer, *args)
        self.first = trainer.global_step / trainer.max_steps

    def on_train_end(self, trainer: Trainer, *args: Any) -> None:
        done = trainer.global_step / trainer.max_steps
        self.outlook.worked += (done - self.first) * STAGES[self.outlook.stage - 1][0]

    def line(self, trainer: Trainer, path: Path) -> str:
        done = trainer.global_step / trainer.max_steps
        left = self.outlook.left(done, done - self.first)
        return f"        {done:.0%} of stage {self.outlook.stage}, {left} left in all; look at {path}"


def program() -> str:
    """How this very command is called: it may not be on the path."""
    called = Path(sys.argv[0])
    return "lightgen" if shutil.which("lightgen") or called.name != "lightgen" else str(called)


def train(checkpoint: Path, outlook: Outlook, *options: str) -> None:
    """`lightgen fit` into the folder of a checkpoint, unless that is done already."""
    if is_done(checkpoint):
        print(f"        already trained: {checkpoint}")
        return
    resume = ("--ckpt_path", str(checkpoint)) if checkpoint.is_file() else ()
    run("fit", *options, "--trainer.default_root_dir", str(checkpoint.parent), *ONE_DEVICE, *resume,
        callbacks=(Minutely(outlook),))  # fmt: skip


def is_done(checkpoint: Path) -> bool:
    """Whether the run that writes this checkpoint has reached its last step."""
    if not checkpoint.is_file():
        return False
    contents = read(checkpoint)
    return bool(contents["global_step"] >= yaml.safe_load(contents[KEY]["config"])["trainer"]["max_steps"])


def run(*command: str, callbacks: tuple[Callback, ...] = ()) -> None:
    """Say a command, and do it."""
    print(f"        {program()} {shlex.join(command)}", flush=True)
    COMMANDS[command[0]].main(list(command), *callbacks)
