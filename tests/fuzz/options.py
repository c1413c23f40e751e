"""Wrong options: a command takes them, or refuses them in one short line, without a traceback or another's words.

    python tests/fuzz/options.py --times 300

changes options of `fit` and `sample` on the tiny configs, at random, and prints how many were tried and handled.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lightgen.checkpoint import KEY, read
from lightgen.cli.main import main as lightgen

VALUES = (
    "-1",
    "0",
    "2",
    "0.5",
    "1e30",
    "nan",
    "-inf",
    "",
    "null",
    "true",
    "[1, 2]",
    "{a: 1}",
    "cat",
    "../x",
    "é",
    "*x",
)
LONGEST = 500
OTHERS = re.compile(r"<class|Traceback|argparse|jsonargparse|MisconfigurationException|NoneType|add --debug")
SAFE = ("trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.default_root_dir", "trainer.max_steps",
        "trainer.max_epochs", "seed_everything")  # fmt: skip
"""What is left alone: it would start processes, write elsewhere, or train."""
TRICKS = ("value", "unknown", "cut", "bare")


def options(config: Any, path: str = "") -> Iterator[str]:
    """The options that a resolved config holds, as they are called on the command line."""
    if not isinstance(config, dict):
        yield path
        return
    if "class_path" in config:
        yield path
        config = config.get("init_args") or {}
    for name, part in config.items():
        yield from options(part, f"{path}.{name}".lstrip("."))


def changed(known: list[str], generator: random.Random) -> list[str]:
    """Words for the end of a command line."""
    name, trick = generator.choice(known), generator.choice(TRICKS)
    value = generator.choice(VALUES)
    if trick == "unknown":
        at = generator.randrange(len(name))
        return [f"--{name[:at]}{generator.choice('xyz_.')}{name[at + 1 :]}", value]
    if trick == "cut":
        return [f"--{name[: generator.randrange(1, len(name))]}", value]
    return [f"--{name}"] if trick == "bare" else [f"--{name}={value}"]


def attempt(args: list[str]) -> str | None:
    """What is wrong with how a command line is answered."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            code = lightgen(args)
        except SystemExit as stop:
            code = int(stop.code or 0)
    line = said.getvalue().strip().splitlines()[-1:] or [""]
    if code == 0 or (code == 2 and len(line[0]) <= LONGEST and not OTHERS.search(line[0])):
        return None
    return f"exit code {code}: {line[0][:300]} <- {' '.join(args[-2:])}"


def fuzz(work: Path, tokenizer: Path, prior: Path, times: int, seed: int) -> list[str]:
    """What fell through, of `times` command lines.

    Args:
        work: folder to write to.
        tokenizer, prior: checkpoints of the tiny configs.
        times: how many.
        seed: of the changes.
    """
    generator = random.Random(seed)
    known = [name for name in options(yaml.safe_load(read(prior)[KEY]["config"])) if name not in SAFE]
    fit = ["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer), "--trainer.max_steps", "0",
           "--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", str(work / "run")]  # fmt: skip
    sample = ["sample", "--ckpt_path", str(prior), "--num_images", "1", "--overwrite", "--out", str(work / "samples")]
    of_sample = ["sampler", "sampler.steps", "warps.temperature", "warps.top_k", "warps.top_p", "label",
                 "guidance", "guidance.scale", "guidance.negative", "canvas", "seed", "batch_size"]  # fmt: skip
    wrong = []
    for _ in range(times):
        if generator.random() < 0.6:
            args = [*fit, *changed(known, generator)]
        else:
            args = [*sample, *changed(of_sample, generator)]
        wrong.append(attempt(args))
    return [line for line in wrong if line]


def main() -> int:
    """Train the tiny models, and try them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=300, help="command lines")
    parser.add_argument("--seed", type=int, default=0, help="of the changes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tokenizer, prior = root / "tokenizer" / "last.ckpt", root / "prior" / "last.ckpt"
        quick = ["--trainer.max_steps", "2", "--trainer.enable_progress_bar", "false", "--trainer.default_root_dir"]
        lightgen(["fit", "--config", "tiny-tokenizer.yaml", *quick, str(root / "tokenizer")])
        lightgen(["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer), *quick, str(root / "prior")])
        wrong = fuzz(root, tokenizer, prior, given.times, given.seed)
    print(*wrong, f"tried {given.times}, handled {given.times - len(wrong)}", sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    raise SystemExit(main())
