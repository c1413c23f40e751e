"""A sampler, a resampler, guidance and a conditioner from outside the package, each one file, chosen by name."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lightgen.figures import read_png

PLUGINS = Path(__file__).with_name("plugins")


def package(site, *names):
    """Install a package of plug-ins, with an entry point for each, in a folder."""
    info = site / "outside-1.0.dist-info"
    info.mkdir(parents=True)
    for name in names:
        shutil.copy(PLUGINS / f"{name}.py", site / f"outside_{name}.py")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    entries = "".join(f"{name} = outside_{name}\n" for name in names)
    (info / "entry_points.txt").write_text(f"[lightgen.components]\n{entries}")


@pytest.fixture
def lightgen(tmp_path):
    """Runs the command where a package with entry points is installed."""
    package(tmp_path / "site", "sampler", "resampler", "guidance", "conditioner")

    def run(*commands):
        path = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        given = [list(map(str, command)) for command in commands]
        code = f"from lightgen.cli.main import main\nassert not any(main(command) for command in {given})"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_plugins_are_listed_trained_with_and_sampled_from(lightgen, runs, tmp_path):
    (tmp_path / "overlay.yaml").write_text(
        "model:\n  init_args:\n"
        "    conditioner: {class_path: OneHot, init_args: {dropout: 0.5}}\n"
        "    recipe:\n"
        "      sampler: {class_path: ConstantSampler, init_args: {steps: 2, value: 5}}\n"
        "      guidance: {class_path: HalfWay}\n"
        "    network: {init_args: {resampler: {class_path: OutsideResampler, init_args: {axes: 2}}}}\n"
    )
    fit = ("fit", "--config", "tiny.yaml", "--config", "overlay.yaml", "--trainer.max_steps", 2, "--model.tokenizer",
           runs / "tokenizer" / "last.ckpt", "--trainer.default_root_dir", "run")  # fmt: skip
    own = ("sample", "--ckpt_path", "run/last.ckpt", "--label", 1, "--out", "own")
    prior = runs / "prior" / "last.ckpt"
    listed = lightgen(
        ("list",), fit, own, ("sample", "--ckpt_path", prior, "--out", "swapped", "--sampler", "ConstantSampler")
    )
    for name in ("ConstantSampler", "OutsideResampler", "HalfWay", "OneHot"):
        assert f"  {name} " in listed
    assert "Outside, 2026" in listed
    record = json.loads((tmp_path / "own" / "samples.json").read_text())
    assert record["sampler"]["name"] == "ConstantSampler" and record["guidance"]["name"] == "HalfWay"
    # Two steps of two branches.
    assert record["evaluations"][0] == 4
    first, second = (read_png(tmp_path / "own" / f"00000{i}.png") for i in (0, 1))
    assert first.equal(second)
    record = json.loads((tmp_path / "swapped" / "samples.json").read_text())
    assert record["sampler"]["arguments"] == {"steps": 3, "value": 0}
