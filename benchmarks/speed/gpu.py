"""Training, sampling and decoding of the FFHQ configs on one CUDA GPU; gpu.sh starts it and says what it needs."""

from __future__ import annotations

import argparse
import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import torch
from gpu_cases import TASKS, Case, Config
from gpu_table import FIGURES, START, WAYS, Pair, card, head, line, plan
from targets import table
from timing import Call, best_seconds, flops, matmul, seconds

from lightgen.functional.files import save_text

CONFIGS = ("ffhq256", "ffhq1024")


@dataclass(frozen=True)
class Limits:
    """What keeps a run short."""

    total: float = 500.0
    """Seconds."""
    plain: tuple[float, float] = (8.0, 30.0)
    """Seconds that must be left for a pair of rows to be begun, and that it may take."""
    compiled: tuple[float, float] = (40.0, 90.0)
    """The same where `torch.compile` is at work."""
    call: float = 0.5
    """Seconds; a batch whose call takes longer is not doubled."""
    window: float = 0.25
    """Seconds for which calls are repeated, three times."""
    batch: int = 2**16
    """The largest that is tried."""
    product: int = 8192
    """Size of the matrix product that is the yardstick."""
    backend: str = "inductor"
    """Of `torch.compile`."""


# This backend traces the network and leaves it as it is: Inductor would need a C++ compiler, and minutes.
TINY = Limits(total=150.0, compiled=(8.0, 30.0), call=30.0, window=0.0, batch=2, product=64, backend="eager")
END = 25.0
"""Seconds beyond the total after which the process ends, whatever it hangs in."""


class Benchmark:
    """The measurements, and the file that they are in as soon as they are made.

    Args:
        device: where to run.
        pairs: what to measure, in this order.
        limits: when to stop.
        path: of the file.
        waited: lines of the table that stands before the others.
    """

    def __init__(
        self, device: torch.device, pairs: list[Pair], limits: Limits, path: Path, waited: list[str] | None = None
    ) -> None:
        self.device, self.pairs, self.limits, self.path = device, pairs, limits, path
        self.began = time.monotonic()
        self.full: dict[tuple[str, str, str], tuple[int, str]] = {}
        self.rows = [[*row, "not reached"] for pair in pairs for row in self.starts(pair)]
        self.work: dict[tuple[str, str], int] = {}
        self.held: tuple[Pair, Case] | None = None
        rates = [self.rate(dtype) for dtype in (torch.bfloat16, torch.float32)]
        self.peak_rate, self.head = rates[0], head(device, limits.product, rates, waited or [])

    def run(self) -> None:
        """Measure everything that there is time for."""
        for i, pair in enumerate(self.pairs):
            least, most = self.limits.compiled if pair.compiled else self.limits.plain
            left = self.limits.total - (time.monotonic() - self.began)
            why = self.measure(i, pair, min(most, left)) if left >= least else "skipped: no time left"
            for k, row in enumerate(self.starts(pair)):
                if self.rows[2 * i + k][-1] == "not reached":
                    self.put(2 * i + k, [*row, why])

    def measure(self, i: int, pair: Pair, limit: float) -> str:
        """Put the two rows of a pair in their place; returns why one is missing, if so."""
        began = time.monotonic()
        try:
            with alarm(limit):
                case = self.case(pair)
                batch = self.full_batch(pair, case) if pair.full else 1
                for k, row in enumerate(self.starts(pair)):
                    # Before the capture, since the memory that a graph holds on to counts as free afterwards.
                    self.clean()
                    timed = case.graph(batch) if k else case.call(batch)
                    self.put(2 * i + k, [*row, *self.figures(pair, case, batch, timed)])
        except Exception as error:
            return f"stopped after {limit:.0f} s" if time.monotonic() - began >= limit else reason(error)
        return ""

    def starts(self, pair: Pair) -> list[list[str]]:
        """The first cells of the two rows of a pair."""
        return pair.rows(str(self.full[pair.batches][0]) if pair.batches in self.full else "full")

    def figures(self, pair: Pair, case: Case, batch: int, call: Call) -> list[str]:
        """The cells of a call."""
        first = seconds(call)
        (best,) = best_seconds(call, rounds=3, at_least=self.limits.window)
        peak = f"{torch.cuda.max_memory_allocated() / 2**30:.2f}" if self.device.type == "cuda" else "–"
        each = best / case.per_call
        picture = each * case.per_picture / batch
        share = f"{self.work[pair.work] * batch / best / self.peak_rate:.2%}" if pair.work in self.work else "–"
        return [f"{each * 1e3:.2f}", f"{picture * 1e3:.2f}", f"{1 / picture:.2f}", peak, share, f"{first:.1f}"]

    def case(self, pair: Pair) -> Case:
        """The modules of a pair, which the next pair often shares."""
        if self.held is None or (self.held[0].batches, self.held[0].compiled) != (pair.batches, pair.compiled):
            self.held = None
            torch.compiler.reset()
            self.clean()
            case = TASKS[pair.task](pair.config, self.device, pair.bf16)
            self.held = pair, case
            if pair.compiled:
                case.module.compile(backend=self.limits.backend, dynamic=False)
            elif pair.work not in self.work:
                self.work[pair.work] = flops(case.call(1))
        return self.held[1]

    def full_batch(self, pair: Pair, case: Case) -> int:
        """The largest power of two that fits and keeps a call short, found once, without compilation."""
        if pair.batches not in self.full:
            if pair.compiled:
                raise RuntimeError("its full batch was not found")
            self.full[pair.batches] = self.doubled(case)
        return self.full[pair.batches][0]

    def doubled(self, case: Case) -> tuple[int, str]:
        """The largest batch that doubling leads to, and why there is no larger one."""
        batch = 1
        while batch < self.limits.batch:
            self.clean()
            try:
                call = case.call(2 * batch)
                took = min(seconds(call), seconds(call))
            except RuntimeError as error:
                return batch, f"{2 * batch}: {reason(error)}"
            batch *= 2
            if took > self.limits.call:
                return batch, f"a call takes over {self.limits.call:g} s"
        return batch, "the most that is tried"

    def rate(self, dtype: torch.dtype) -> float:
        """FLOP/s of a large matrix product."""
        product, work = matmul(self.limits.product, dtype, self.device)
        return work / best_seconds(product, at_least=self.limits.window)[0]

    def clean(self) -> None:
        """Give the memory of what is no longer referred to back to the device, and forget its peak."""
        if self.device.type == "cuda":
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def put(self, i: int, row: list[str]) -> None:
        """Print a row, and write the file with it."""
        self.rows[i] = row
        print(line(row), flush=True)
        found = [f"- {', '.join(key)}: {batch} ({why})" for key, (batch, why) in self.full.items()]
        tail = "Full batches, powers of two, and why they are not twice as large:"
        save_text(self.head + "\n".join([*map(line, self.rows), "", tail, "", *found, ""]), self.path)


@contextmanager
def alarm(limit: float) -> Iterator[None]:
    """Raise TimeoutError after so many seconds, and again every 5 in case something swallowed it."""

    def ring(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, limit, 5.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def reason(error: Exception) -> str:
    """One short line on what went wrong."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory"
    return f"failed: {type(error).__name__}: {' '.join(str(error).split())}".replace("|", "/")[:140]


def targeted(tiny: bool) -> Iterator[str]:
    """What users wait for, line by line as it is measured."""
    try:
        for text in table(tiny):
            print(text, flush=True)
            yield text
    except Exception as error:
        yield reason(error)


def main() -> None:
    began = time.monotonic()
    parser = argparse.ArgumentParser(prog="gpu.sh", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results", help="folder of the result")
    parser.add_argument("--tiny", action="store_true", help="one config at a tiny size on the processor, as a test")
    parser.add_argument("--seconds", type=float, default=Limits.total, help="rows that take longer are skipped")
    given = parser.parse_args()
    if not given.tiny and not torch.cuda.is_available():
        sys.exit("gpu.sh: there is no CUDA device here; --tiny tries it on the processor")
    device, limits = torch.device("cpu" if given.tiny else "cuda"), TINY if given.tiny else Limits(given.seconds)
    torch.set_float32_matmul_precision("high")
    end = threading.Timer(limits.total + END, os._exit, [0])
    end.daemon = True
    end.start()
    name = "tiny-cpu" if given.tiny else re.sub(r"[^A-Za-z0-9]+", "-", card(device))
    path = given.out / f"gpu-{date.today()}-{name}.md"
    # What the imports made is not looked through at every collection.
    gc.freeze()
    waited = [*targeted(given.tiny)]
    limits = replace(limits, total=limits.total - (time.monotonic() - began))
    configs = [Config.read(config) for config in CONFIGS]
    pairs = plan([configs[0].tiny()], WAYS[:3]) if given.tiny else plan(configs, WAYS)
    print(line([*START, *FIGURES]), flush=True)
    Benchmark(device, pairs, limits, path, waited).run()
    print(f"written to {path}")


if __name__ == "__main__":
    main()
