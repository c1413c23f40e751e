"""The figures that users wait for on a CUDA GPU, from the product's own calls; gpu.py begins with them.

One picture from the command line, a batch with its decoding, and the training of a tokenizer with its discriminator, on
random weights of the shipped configs: eager in float32, and as `--accelerate auto` makes it, beside the limit that the
matrix rate of the card sets.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from gpu_cases import Config, built
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from timing import flops, seconds

from lightgen.checkpoint import save
from lightgen.functional.random import Noise
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.warps import Warps

COLUMNS = ("what", "eager, float32", "accelerated", "limit")


class Row(NamedTuple):
    """A figure before and after, with its unit, and the best that the card could do."""

    what: str
    eager: str
    accelerated: str
    limit: str

    def __str__(self) -> str:
        return f"| {' | '.join(self)} |"


def prior_of(config: Config, device: torch.device) -> Prior:
    """A prior of a shipped config with random weights."""
    torch.manual_seed(0)
    with device:
        process, network = config.prior()
        tokenizer = built("tokenizer", config.tokenizer)
        recipe = config.model["recipe"]
        # Random weights come to rest nowhere, and a run must not end early by chance.
        sampler = built("sampler", recipe["sampler"], patience=None)
    return Prior(tokenizer, network, process, Recipe(sampler, Warps(**recipe["warps"]))).to(device).eval()


def evaluation_flops(prior: Prior) -> int:
    """FLOP of a network evaluation of one picture."""
    ids = prior.initial(Noise.of(0, 1, device=prior.device))
    with torch.no_grad():
        return flops(lambda: prior.network(ids))


def from_command_line(checkpoint: Path, mode: str, folder: Path) -> float:
    """Seconds that `lightgen sample` takes for one picture, by its own count."""
    command = [sys.executable, "-m", "lightgen", "sample", "--ckpt_path", str(checkpoint), "--num_images", "1",
               "--accelerate", mode, "--out", str(folder)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, encoding="utf-8")
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(json.loads((folder / "samples.json").read_text(encoding="utf-8"))["seconds"])


def figures(config: Config, device: torch.device, rate: float, batch: int) -> Iterator[Row]:
    """The rows of one config; rate: FLOP/s of a matrix product in bfloat16."""
    prior = prior_of(config, device)
    evaluations = prior.recipe.sampler.num_evaluations(prior.layout().num_tokens)
    least = evaluations * evaluation_flops(prior) / rate
    with tempfile.TemporaryDirectory() as name:
        checkpoint = Path(name) / "prior.ckpt"
        save(prior, checkpoint)
        told = [from_command_line(checkpoint, mode, Path(name) / mode) for mode in ("off", "auto")]
    yield Row(f"{config.name}, a picture of {evaluations} evaluations, alone, from the command line, ms",
              *(f"{1e3 * each:.0f}" for each in told), f"{1e3 * least:.0f}")  # fmt: skip
    timed = []
    for mode in ("off", "auto"):
        prior.accelerate(mode)  # type: ignore[arg-type]
        for num in (1, batch):
            # The first call records the steps.
            prior.sample(num, batch_size=num)
            timed.append(seconds(lambda num=num: prior.sample(num, batch_size=num)) / num)  # type: ignore[misc]
    alone, many, alone_fast, many_fast = timed
    yield Row(f"{config.name}, the same in Python, from the second call on, ms",
              f"{1e3 * alone:.0f}", f"{1e3 * alone_fast:.0f}", f"{1e3 * least:.0f}")  # fmt: skip
    yield Row(f"{config.name}, batch {batch}, pictures a second, decoding included",
              f"{1 / many:.3g}", f"{1 / many_fast:.3g}", f"{1 / least:.3g}")  # fmt: skip


def training() -> Row:
    """The training of the f16 tokenizer with its discriminator; without the perceptual distance, whose weights are not
    at hand everywhere.
    """
    rates = []
    for compiles, precision in (("false", "32-true"), ("true", "bf16-mixed")):
        with tempfile.TemporaryDirectory() as root:
            command = [
                sys.executable, "-m", "lightgen", "fit", "--config", "ffhq256-tokenizer.yaml", "--data",
                "SyntheticImages", "--data.image_size", "256", "--data.batch_size", "32", "--data.num_images", "3200",
                "--data.num_workers", "12", "--model.compile", compiles, "--model.loss.perceptual", "null",
                "--model.adversarial.start", "0", "--trainer.precision", precision, "--trainer.max_steps", "80",
                "--trainer.limit_val_batches", "0", "--trainer.log_every_n_steps", "4", "--trainer.callbacks", "null",
                "--trainer.enable_progress_bar", "false", "--trainer.default_root_dir", root,
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, encoding="utf-8")
            if done.returncode:
                raise RuntimeError(done.stderr.strip().splitlines()[-1])
            events = EventAccumulator(str(next(Path(root).glob("lightning_logs/*"))))
            events.Reload()
            rates.append(32 * events.Scalars("train/steps_per_second")[-1].value)
    eager, fast = (f"{rate:.3g}" for rate in rates)
    return Row("ffhq256-tokenizer with its discriminator, training, batch 32, pictures a second", eager, fast, "")


def table(tiny: bool = False) -> Iterator[str]:
    """The table, line by line; tiny sizes on the processor are a test."""
    device = torch.device("cpu" if tiny else "cuda")
    torch.set_float32_matmul_precision("high")
    size = 64 if tiny else 8192
    a, b = torch.randn(2, size, size, dtype=torch.bfloat16, device=device)
    seconds(lambda: a @ b)
    rate = 2 * size**3 / seconds(lambda: a @ b, 10)
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|---|---:|---:|---:|"
    began = time.monotonic()
    for name in ("ffhq256",) if tiny else ("ffhq1024", "ffhq256"):
        config = Config.read(name)
        for row in figures(config.tiny() if tiny else config, device, rate, 2 if tiny else 64):
            yield str(row)
    if not tiny:
        yield str(training())
    took = time.monotonic() - began
    yield f"\nMeasured in {took:.0f} s; a matrix product runs at {rate / 1e12:.3g} TFLOP/s in bfloat16."
