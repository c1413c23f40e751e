"""Two processes give the numbers and the pictures of one."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fuzz import signals

from lightgen.bench.rows import read
from lightgen.cli.configs import SUITES, locate

TWO = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu"]


def lightgen(*args):
    command = [sys.executable, "-m", "lightgen", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def metrics(root):
    (path,) = root.rglob("metrics.csv")
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: float(row[name]) for row in rows for name in row if name.startswith("val/") and row[name]}


@pytest.mark.parametrize("stage", ["tokenizer", "prior"])
def test_training_and_validation(tmp_path, runs, stage):
    config = "tiny.yaml" if stage == "prior" else "tiny-tokenizer.yaml"
    more = ["--model.tokenizer", runs / "tokenizer" / "last.ckpt"] if stage == "prior" else []
    common = ["--config", config, *more, "--trainer.enable_progress_bar", "false"]
    found = []
    for devices in ([], TWO):
        root = tmp_path / f"validate{len(devices)}"
        logger = ["--trainer.logger", "lightning.pytorch.loggers.CSVLogger", "--trainer.logger.save_dir", root]
        lightgen("validate", *common, *logger, "--ckpt_path", runs / stage / "last.ckpt", *devices)
        found.append(metrics(root))
    one, two = found
    assert set(one) >= ({"val/psnr", "val/ssim", "val/loss"} if stage == "tokenizer" else {"val/loss", "val/accuracy"})
    assert two == pytest.approx(one, rel=1e-4)
    root = tmp_path / "fit"
    lightgen("fit", *common, "--trainer.default_root_dir", root, "--trainer.max_steps", 4,
             "--trainer.val_check_interval", 2, *TWO)  # fmt: skip
    assert (root / "last.ckpt").is_file()


def test_a_suite(tmp_path, runs):
    text = yaml.safe_load(Path(locate("smoke.yaml", SUITES)).read_text())
    text |= {"priors": {"tiny": str(runs / "prior" / "last.ckpt")}, "evaluations": [2], "num_images": 9}
    text["protocol"]["init_args"]["features"]["init_args"]["size"] = 32
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(text))
    for name, more in (("one", []), ("two", TWO)):
        lightgen("bench", "--config", tmp_path / "suite.yaml", "--out", tmp_path / name, *more)
    one, two = (read(tmp_path / name) for name in ("one", "two"))
    assert [row.id for row in two] == [row.id for row in one]
    for a, b in zip(one, two, strict=True):
        assert b.scores == pytest.approx(a.scores, rel=1e-4, abs=1e-6)
        assert b.evaluations == a.evaluations
    assert (tmp_path / "two" / "report.html").is_file()


def test_sampling(tmp_path, runs):
    for name, more in (("one", []), ("two", TWO)):
        lightgen("sample", "--ckpt_path", runs / "prior" / "last.ckpt", "--num_images", 7, "--batch_size", 2,
                 "--out", tmp_path / name, *more)  # fmt: skip
    files = sorted(p.name for p in (tmp_path / "one").glob("*.png"))
    assert len(files) == 8 and files == sorted(p.name for p in (tmp_path / "two").glob("*.png"))
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


@pytest.mark.parametrize(("number", "targets"), [(signal.SIGTERM, (1,)), (signal.SIGINT, (0, 1))])
def test_a_signal_ends_both_processes_and_what_they_trained_is_saved(tmp_path, number, targets):
    # What hangs does so for ever; the limit is for a busy machine.
    assert signals.attempt(tmp_path / "run", number, targets, delay=0.2, limit=90) is None
