"""Whether long runs grow: memory and open files of commands that go on for very long, on the tiny configs.

    python tests/fuzz/growth.py --steps 20000 --batches 2000

trains a tokenizer and a prior for so many steps, with two workers, and samples so many batches of pictures; prints what
each process holds half-way and at its end. After that it interrupts a training, and looks for processes
that it left.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ALLOWED = 1.05
"""Memory at the end over that half-way; open files must not be more."""
QUIET = ("--trainer.enable_progress_bar", "false")


def started(arguments: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """`lightgen` in a folder, in a group of processes of its own."""
    command, log = [sys.executable, "-m", "lightgen", *arguments], (folder / "log.txt").open("ab")
    # Runs that are started in the background do not see Ctrl-C otherwise.
    return subprocess.Popen(
        command, cwd=folder, stdout=log, stderr=log, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def held(pid: int) -> tuple[float, int]:
    """Megabytes of memory and open files of a process."""
    status = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1]
    return int(status.split()[0]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def watched(name: str, arguments: Sequence[str], folder: Path) -> bool:
    """Run a command to its end and print what it held; whether that did not grow."""
    process, began, seen = started(arguments, folder), time.monotonic(), list[tuple[float, int]]()
    while process.poll() is None:
        try:
            seen.append(held(process.pid))
        except (OSError, IndexError):
            break
        time.sleep(0.5)
    if process.wait() != 0:
        print(f"{name}: exit {process.returncode}\n{(folder / 'log.txt').read_text()[-500:]}", flush=True)
        return False
    # Loading code, filling caches and writing the first pictures comes first, the last moments take all down.
    (memory, files), last = seen[len(seen) // 2], seen[: len(seen) * 99 // 100][-1]
    good = last[0] <= ALLOWED * memory and last[1] <= files
    print(
        f"{name}: {memory:.0f} MB and {files} files half-way, {last[0]:.0f} MB and {last[1]} files at the end, "
        f"{time.monotonic() - began:.0f} s: {'flat' if good else 'grows'}",
        flush=True,
    )
    return good


def leaves_nothing(folder: Path) -> bool:
    """Whether Ctrl-C ends a training and its two workers."""
    (folder / "log.txt").write_text("")
    process = started(["fit", "--config", "tiny-tokenizer.yaml", "--trainer.max_steps", "1000000", "--data.num_workers",
                       "2", "--trainer.default_root_dir", "interrupted", *QUIET], folder)  # fmt: skip
    while not (folder / "interrupted" / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.1)
    group = group_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(60)
    time.sleep(1)
    left = [pid for pid in group if Path(f"/proc/{pid}").exists()]
    print(f"interrupted with {len(group)} processes: exit {process.returncode}, {len(left)} left", flush=True)
    return not left and len(group) >= 3


def group_of(leader: int) -> list[int]:
    """The processes of a group."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(entry.name)) == leader:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20_000, help="of each training")
    parser.add_argument("--batches", type=int, default=2_000, help="of pictures")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, steps = Path(name), ["--trainer.max_steps", str(given.steps), *QUIET]
        every = ["--trainer.val_check_interval", "1000", "--checkpoints.every_n_train_steps", "1000"]
        workers = ["--data.num_workers", "2"]
        results = [
            watched("tokenizer", ["fit", "--config", "tiny-tokenizer.yaml", *steps, *every, *workers], folder),
            watched("prior", ["fit", "--config", "tiny.yaml", *steps, *every, *workers], folder),
            watched("sampling", ["sample", "--ckpt_path", "runs/tiny/last.ckpt", "--batch_size", "2", "--num_images",
                                 str(2 * given.batches)], folder),
            leaves_nothing(folder),
        ]  # fmt: skip
    print(f"tried {len(results)}, handled {sum(results)}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
