"""Signals to a training run of two processes: all of it ends in seconds, and what was trained is saved.

    python tests/fuzz/signals.py --times 10

sends SIGTERM, SIGINT and SIGKILL to the first process, to the second and to both, so many times each, at random moments
after the first checkpoint, and prints how many were tried and handled.
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

from lightgen.checkpoint import read

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGKILL)
TARGETS = ((0,), (1,), (0, 1))
LIMIT = 10.0
"""Seconds in which both must have ended."""


class Pair:
    """A run of two processes on the CPU, which would go on for very long; it has saved a checkpoint.

    Args:
        root: folder of the run.
    """

    def __init__(self, root: Path) -> None:
        command = [
            sys.executable, "-m", "lightgen", "fit", "--config", "tiny-tokenizer.yaml",
            "--trainer.max_steps", "1000000",
            "--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu",
            "--trainer.val_check_interval", "7", "--checkpoints.every_n_train_steps", "5",
            "--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", str(root),
        ]  # fmt: skip
        self.last = root / "last.ckpt"
        self.log = (root.parent / f"{root.name}.log").open("w+")
        self.first = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        while not self.last.is_file():
            if self.first.poll() is not None:
                raise RuntimeError(self.said())
            time.sleep(0.02)
        (second,) = Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children").read_text().split()
        self.pids = (self.first.pid, int(second))

    def said(self) -> str:
        """What both have written."""
        self.log.seek(0)
        return self.log.read()

    def wait(self, limit: float) -> bool:
        """Whether both end within so many seconds; they are killed if not."""
        began = time.monotonic()
        while self.first.poll() is None or Path(f"/proc/{self.pids[1]}").exists():
            if time.monotonic() - began > limit:
                for pid in self.pids:
                    if Path(f"/proc/{pid}").exists():
                        os.kill(pid, signal.SIGKILL)
                self.first.wait()
                return False
            time.sleep(0.02)
        return True


def attempt(
    root: Path, number: signal.Signals, targets: tuple[int, ...], delay: float, limit: float = LIMIT
) -> str | None:
    """What went wrong with one signal, else None."""
    pair = Pair(root)
    time.sleep(delay)
    for target in targets:
        os.kill(pair.pids[target], number)
    if not pair.wait(limit):
        return f"not ended after {limit:g} s"
    step = read(pair.last)["global_step"]
    if number == signal.SIGKILL:
        return None
    said = f"interrupted at step {step}; go on with"
    if pair.first.returncode != 130 or said not in pair.said():
        return f"exit code {pair.first.returncode}, {pair.said()[-300:]!r}"
    return None


def main() -> int:
    """Try them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="each signal to each target")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds in which both must have ended")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    generator, tried, handled = random.Random(given.seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in SIGNALS:
            for targets in TARGETS:
                wrong = []
                for _ in range(given.times):
                    tried += 1
                    wrong.append(
                        attempt(Path(folder) / str(tried), number, targets, generator.uniform(0, 1), given.limit)
                    )
                good = wrong.count(None)
                handled += good
                to = "both" if len(targets) == 2 else f"process {targets[0]}"
                print(f"{number.name} to {to}: {good} of {given.times}", *filter(None, wrong), sep="\n  ", flush=True)
    print(f"tried {tried}, handled {handled}")
    return int(handled < tried)


if __name__ == "__main__":
    sys.exit(main())
