"""What each command costs before it does anything, over `import torch`.

CPU seconds (user and system) of fresh processes, which take turns; the smallest of each counts. A first step is where
the process ends, before the network's first evaluation; every process, that of `import torch` too, ends as Python does,
which takes its time once torch is there:

    python benchmarks/speed/startup.py --rounds 3
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from PIL import Image

from lightgen.cli.commands import COMMANDS

PRIOR = "zoo:icons64-sundae"
PYTHON = sys.executable
TO_THE_FIRST_STEP = """
import sys
from lightgen.samplers.iteration import Iteration
Iteration.run = lambda *args: sys.exit(0)
from lightgen.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def main() -> None:
    reader = argparse.ArgumentParser()
    reader.add_argument("--rounds", type=int, default=3)
    rounds = reader.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        commands = cases(Path(folder))
        best = dict.fromkeys(commands, float("inf"))
        for _ in range(rounds):
            for name, command in commands.items():
                best[name] = min(best[name], cpu_seconds(command))
    yardstick = best["`import torch`"]
    print("| command | CPU seconds | over `import torch` |\n|---|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds:.2f} | {seconds / yardstick:.2f} |")


def cases(folder: Path) -> dict[str, list[str]]:
    """What is run, by its name in the table."""
    Image.new("RGB", (64, 64), "gold").save(folder / "image.png")
    cli = [PYTHON, "-m", "lightgen"]
    sample = ["sample", "--ckpt_path", PRIOR, "--num_images", "1", "--out", str(folder / "samples")]
    inpaint = ["inpaint", "--ckpt_path", PRIOR, "--image", str(folder / "image.png"), "--canvas", "1x2",
               "--num_images", "1", "--out", str(folder / "inpainted")]  # fmt: skip
    return {
        "`import torch`": [PYTHON, "-c", "import torch"],
        "`lightgen --help`": [*cli, "--help"],
        "`lightgen list`": [*cli, "list"],
        "`lightgen.load`": [PYTHON, "-c", f"import lightgen; lightgen.load({PRIOR!r})"],
        "`lightgen sample`, to the first step": [PYTHON, "-c", TO_THE_FIRST_STEP, *sample],
        "the same with `--trainer.devices 1`": [PYTHON, "-c", TO_THE_FIRST_STEP, *sample, "--trainer.devices", "1"],
        "`lightgen sample`, one picture": [*cli, *sample],
        "`lightgen inpaint`, to the first step": [PYTHON, "-c", TO_THE_FIRST_STEP, *inpaint],
        **{f"`lightgen {name} --help`": [*cli, name, "--help"] for name in COMMANDS if name != "demo"},
    }


def cpu_seconds(command: list[str]) -> float:
    """User and system time of a process that ends well."""
    with Path(os.devnull).open("wb") as nowhere:
        actions = [(os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1)]
        child = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
        _, status, used = os.wait4(child, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
