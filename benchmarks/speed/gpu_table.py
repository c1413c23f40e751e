"""The result file of gpu.py: the rows of its table in their order, what they mean, where they come from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date

import torch
from gpu_cases import EVALUATIONS, TASKS, Config

from lightgen.provenance import provenance

LINES = "\n"
START = ("config", "task", "precision", "batch", "how")
FIGURES = ("ms", "ms a picture", "pictures/s", "peak GiB", "share", "first call, s")
WAYS = ((True, False), (False, False), (True, True), (False, True))
"""(bf16, compiled): what is cheap first, and last what may be skipped."""


@dataclass(frozen=True)
class Pair:
    """Two rows: a call as it is, and captured as a CUDA graph."""

    config: Config
    task: str
    bf16: bool
    compiled: bool
    full: bool

    @property
    def work(self) -> tuple[str, str]:
        """What the FLOP of a picture depend on."""
        return self.config.name, self.task

    @property
    def batches(self) -> tuple[str, str, str]:
        """What the largest batch depends on, besides the card."""
        return self.config.name, self.task, "bf16" if self.bf16 else "fp32"

    def rows(self, full: str) -> list[list[str]]:
        """The first cells of the two rows; full: what is known of the full batch."""
        start = [*self.batches, full if self.full else "1"]
        how = "compiled" if self.compiled else "eager"
        return [[*start, how], [*start, f"{how}, graph"]]


def plan(configs: list[Config], ways: tuple[tuple[bool, bool], ...]) -> list[Pair]:
    """All pairs of these ways."""
    return [
        Pair(config, task, bf16, compiled, full)
        for bf16, compiled in ways for config in configs for task in TASKS for full in (False, True)
    ]  # fmt: skip


def line(cells: list[str]) -> str:
    """A row of the table; cells that are missing are empty."""
    return "| " + " | ".join([*cells, *[""] * (len(START + FIGURES) - len(cells))]) + " |"


def head(device: torch.device, product: int, rates: list[float], waited: list[str]) -> str:
    """All that stands before the table.

    Args:
        device: where the figures are measured.
        product: size of the matrix product that is the yardstick.
        rates: its FLOP/s in bf16 and in fp32.
        waited: lines of the table that stands before the others.
    """
    on_card = device.type == "cuda"
    bf16, fp32 = (f"{rate / 1e12:.3g}" for rate in rates)
    origin = {**provenance(), **(driver() if on_card else {"device": "cpu"})}
    return f"""# Speed of the FFHQ configs on {card(device)}

{date.today()}, `{" ".join(["bash benchmarks/speed/gpu.sh", *sys.argv[1:]])}`, random weights. \
{", ".join(f"{name} {value}" for name, value in origin.items())}.

{LINES.join(waited)}

A matrix product of {product}³ runs at {bf16} TFLOP/s in bf16 and {fp32} in fp32. bf16 is autocast over fp32 weights \
in training, and of the weights themselves elsewhere; \
fp32 has TF32 in matrix products and convolutions, as `lightgen fit` has.

- **ms**: of a training step (process and optimizer of the config, on ids, so without encoding), of a network \
evaluation with the sampler around it (the mean of {EVALUATIONS}), or of a decoding; the shortest of three means.
- **ms a picture**: of training on it once, of all sampling steps of the config, or of its decoding.
- **peak**: of the memory in tensors. **share**: FLOP of the call over its time and the bf16 rate above.
- **graph**: of sampling, every step from a CUDA graph, as `--accelerate graph` makes them; else the whole call. \
**compiled**: the network, or the decoder.

{line([*START, *FIGURES])}
|{"---|" * len(START)}{"---:|" * len(FIGURES)}
"""


def card(device: torch.device) -> str:
    """The name of the device."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def driver() -> dict[str, str]:
    """What matters of the cards and their software."""
    fields = "driver_version,memory.total,power.limit,clocks.max.sm"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        said = "unknown"
    versions = {"CUDA": str(torch.version.cuda), "cuDNN": str(torch.backends.cudnn.version())}
    return {**versions, fields.replace(",", ", "): said.replace("\n", "; ")}
