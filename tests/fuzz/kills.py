"""SIGKILL at random moments: what is killed goes on to the end, with the files of a run that was not.

    python tests/fuzz/kills.py --times 50

takes the training of a tokenizer and of a prior, `encode`, `bench` and `sample` in turn, with TMPDIR on another file
system where there is one, and prints how many were tried and handled.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from lightgen.bench.rows import read as read_rows
from lightgen.cli.configs import SUITES, locate

QUIET = ("--trainer.enable_progress_bar", "false")
OFTEN = ("--checkpoints.every_n_train_steps", "3", "--trainer.val_check_interval", "20", "--trainer.max_steps", "60")


class Commands:
    """What is killed, each as a function of the folder that it writes to.

    Args:
        work: folder for what they share.
        environment: of the processes.
    """

    def __init__(self, work: Path, environment: dict[str, str]) -> None:
        self.work, self.environment = work, environment
        self.models = work / "unbroken"
        suite = yaml.safe_load(Path(locate("smoke.yaml", SUITES)).read_text())
        suite |= {
            "priors": {"tiny": str(self.models / "prior" / "last.ckpt")},
            "evaluations": [1, 2, 4],
            "num_images": 9,
        }
        suite["protocol"]["init_args"]["features"]["init_args"]["size"] = 32
        (work / "suite.yaml").write_text(yaml.safe_dump(suite))

    def command(self, name: str, out: Path) -> list[str]:
        """The command line; a training goes on from its checkpoint, where there is one."""
        tokenizer, prior = (str(self.models / stage / "last.ckpt") for stage in ("tokenizer", "prior"))
        fit = [*QUIET, *OFTEN, "--trainer.default_root_dir", str(out)]
        if (out / "last.ckpt").is_file():
            fit += ["--ckpt_path", str(out / "last.ckpt")]
        return {
            "tokenizer": ["fit", "--config", "tiny-tokenizer.yaml", *fit],
            "prior": ["fit", "--config", "tiny.yaml", "--model.tokenizer", tokenizer, *fit],
            "encode": ["encode", "--tokenizer", tokenizer, "--data.num_images", "6000", "--out", str(out)],
            "bench": ["bench", "--config", str(self.work / "suite.yaml"), "--out", str(out)],
            "sample": ["sample", "--ckpt_path", prior, "--num_images", "400", "--batch_size", "8", "--out", str(out)],
        }[name]

    def start(self, name: str, out: Path) -> subprocess.Popen[str]:
        """Begin, or go on."""
        command = [sys.executable, "-m", "lightgen", *self.command(name, out)]
        log = subprocess.DEVNULL
        return subprocess.Popen(command, env=self.environment, stdout=log, stderr=subprocess.PIPE, text=True)

    def finish(self, process: subprocess.Popen[str]) -> None:
        """Wait for the end.

        Raises:
            RuntimeError: if it is not a good one.
        """
        _, error = process.communicate(timeout=600)
        if process.returncode:
            raise RuntimeError(f"exit code {process.returncode}: {error.strip()[-300:]}")


NAMES = ("tokenizer", "prior", "encode", "bench", "sample")


def result(name: str, out: Path) -> Any:
    """What must be the same, in a form that == compares."""
    if name in ("tokenizer", "prior"):
        contents = torch.load(out / "last.ckpt", weights_only=True)
        return _plain({part: contents.get(part) for part in PARTS})
    if name == "bench":
        return sorted((row.id, tuple(row.scores.items())) for row in read_rows(out))
    # The record of a run has its seconds.
    return {
        path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".lock" and path.name != "samples.json"
    }


PARTS = ("global_step", "state_dict", "current_model_state", "averaging_state", "optimizer_states")


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.dtype, tuple(value.shape), value.numpy().tobytes()
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def attempt(commands: Commands, name: str, out: Path, delay: float, expected: Any) -> str | None:
    """What went wrong after a kill, else None."""
    process = commands.start(name, out)
    wait_for_a_file(process, out)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    try:
        commands.finish(commands.start(name, out))
    except RuntimeError as error:
        return f"{name}, killed {delay:.2f} s after its first file: {error}"
    if result(name, out) != expected:
        return f"{name}, killed {delay:.2f} s after its first file: another result"
    left = [path.name for path in out.rglob(".*.lightgen-*")]
    return f"{name}: {left} left behind" if left else None


def wait_for_a_file(process: subprocess.Popen[str], out: Path) -> None:
    """Until the process has written something, or has ended."""
    while process.poll() is None and not (out.is_dir() and any(path.is_file() for path in out.rglob("*"))):
        time.sleep(0.005)


def main() -> int:
    """Try them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="kills, over all commands")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    generator, wrong = random.Random(given.seed), []
    shared = Path("/dev/shm")
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as temporary,
    ):
        work = Path(folder)
        commands = Commands(work, {**os.environ, "TMPDIR": temporary})
        expected, seconds = {}, {}
        for name in NAMES:
            out = commands.models / name
            process = commands.start(name, out)
            wait_for_a_file(process, out)
            began = time.monotonic()
            commands.finish(process)
            expected[name], seconds[name] = result(name, out), time.monotonic() - began
        for number in range(given.times):
            name = NAMES[number % len(NAMES)]
            delay = generator.uniform(0, seconds[name])
            wrong.append(attempt(commands, name, work / f"{number}-{name}", delay, expected[name]))
            print(wrong[-1] or f"{name}, killed {delay:.2f} s after its first file: the same", flush=True)
        if left := list(Path(temporary).rglob("*")):
            print(f"in TMPDIR: {left}")
    print(f"tried {given.times}, handled {wrong.count(None)}")
    return int(wrong.count(None) < given.times)


if __name__ == "__main__":
    sys.exit(main())
