"""benchmarks/speed/gpu.sh, which wants a CUDA device, at a tiny size on the processor."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import lightgen

FOLDER = Path(lightgen.__file__).parent.parent / "benchmarks" / "speed"


def run(*args):
    env = {**os.environ, "PYTHON": sys.executable, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(["bash", str(FOLDER / "gpu.sh"), *args], env=env, capture_output=True, text=True)


def table(path):
    """The rows of the long table of a result file, as lists of cells, without the head."""
    rows = [line[2:-2].split(" | ") for line in path.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows if len(row) > 4][1:]


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import gpu

    return gpu


def benchmark(gpu, path, **limits):
    """A benchmark of training at batch 1 and full."""
    pairs = gpu.plan([gpu.Config.read("ffhq1024").tiny()], gpu.WAYS[:1])[:2]
    limits = gpu.Limits(**{"window": 0.0, "product": 16, "batch": 2, **limits})
    return gpu.Benchmark(torch.device("cpu"), pairs, limits, path)


def test_tiny(tmp_path):
    done = run("--tiny", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.iterdir()
    (waited,) = [line for line in path.read_text().splitlines() if "decoding included" in line]
    assert all(float(cell) > 0 for cell in waited[2:-2].split(" | ")[1:])
    rows = table(path)
    expected = [
        (task, precision, batch, how + more)
        for how, precision in (("eager", "bf16"), ("eager", "fp32"), ("compiled", "bf16"))
        for task in ("training", "sampling", "decoding")
        for batch in ("1", "full")
        for more in ("", ", graph")
    ]
    # The full batch of two is known by its number once it was found.
    assert [(row[1], row[2], row[3].replace("2", "full"), row[4]) for row in rows] == expected
    assert "lightgen" in path.read_text() and "git" in path.read_text()
    for _, task, precision, batch, how, *cells in rows:
        if how == "eager":
            assert f"{task} | {precision} | {batch} | {how} | {cells[0]}" in done.stdout
            each, picture, rate, share = (float(cells[k].rstrip("%")) for k in (0, 1, 2, 4))
            steps = 100 if task == "sampling" else 1
            assert picture == pytest.approx(each * steps / int(batch), abs=0.01 * steps)
            assert rate == pytest.approx(1000 / picture, rel=0.01, abs=0.01)
            assert share > 0
        elif how == "eager, graph":
            assert cells[0] == "failed: RuntimeError: CUDA graphs need a CUDA device"
        else:
            # Compilation may lack a compiler, or time.
            assert cells[0].startswith(("failed", "skipped", "stopped", "not reached")) or float(cells[0]) > 0


def test_without_a_card_it_says_so(tmp_path):
    done = run("--out", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr == "gpu.sh: there is no CUDA device here; --tiny tries it on the processor\n"
    assert list(tmp_path.iterdir()) == []


def test_work_of_a_training_step(gpu):
    config = gpu.Config.read("ffhq256").tiny()
    training, sampling = (gpu.TASKS[task](config, torch.device("cpu"), False) for task in ("training", "sampling"))
    forward = gpu.flops(sampling.call(1)) / sampling.per_call
    # Two unrolls of a forward pass and twice as much backward.
    assert gpu.flops(training.call(1)) == pytest.approx(6 * forward, rel=0.02)
    assert gpu.flops(training.call(3)) == 3 * gpu.flops(training.call(1))


@pytest.mark.parametrize("name", ["ffhq256", "ffhq1024"])
def test_sizes_are_those_of_the_tokenizer(gpu, name):
    config = gpu.Config.read(name)
    assert config.vocab_size == {"ffhq256": 1024, "ffhq1024": 8192}[name]
    assert config.side == {"ffhq256": 16, "ffhq1024": 32}[name]
    decoding = gpu.TASKS["decoding"](config.tiny(), torch.device("cpu"), False)
    assert decoding.tokenizer.layout.grid == (2, 2) == (config.tiny().side,) * 2


class Stub:
    """A case whose calls do as a test says."""

    per_call = per_picture = 1

    def __init__(self, do):
        self.do = do

    def call(self, batch):
        return lambda: self.do(batch)

    graph = call


def test_full_batch(gpu, tmp_path):
    def crowded(batch):
        if batch > 8:
            raise torch.OutOfMemoryError("too much")

    bench = benchmark(gpu, tmp_path / "x.md", batch=64, call=0.05)
    assert bench.doubled(Stub(crowded)) == (8, "16: out of memory")
    assert bench.doubled(Stub(lambda batch: time.sleep(0.1 * (batch > 4)))) == (8, "a call takes over 0.05 s")
    assert bench.doubled(Stub(lambda batch: None)) == (64, "the most that is tried")


def test_a_failure_is_a_row_and_not_the_end(gpu, tmp_path, monkeypatch):
    def broken(batch):
        if batch == 1:
            raise ValueError("a | b\nc")

    monkeypatch.setitem(gpu.TASKS, "training", lambda *_: Stub(broken))
    benchmark(gpu, tmp_path / "x.md").run()
    first, graph, second, _ = table(tmp_path / "x.md")
    assert first[5] == graph[5] == "failed: ValueError: a / b c"
    assert second[3] == "2" and float(second[5]) >= 0


def test_what_takes_too_long_is_stopped(gpu, tmp_path, monkeypatch):
    monkeypatch.setitem(gpu.TASKS, "training", lambda *_: Stub(lambda batch: time.sleep(5)))
    bench = benchmark(gpu, tmp_path / "x.md", plain=(0.0, 0.2))
    began = time.monotonic()
    bench.run()
    assert time.monotonic() - began < 5
    assert [row[5] for row in table(tmp_path / "x.md")] == ["stopped after 0 s"] * 4


def test_what_does_not_fit_is_named(gpu, tmp_path):
    benchmark(gpu, tmp_path / "x.md", total=0.0).run()
    rows = table(tmp_path / "x.md")
    assert [row[:6] for row in rows[:3:2]] == [
        ["ffhq1024", "training", "bf16", batch, "eager", "skipped: no time left"] for batch in ("1", "full")
    ]
