"""A sampler and a resampler from outside the package, chosen by name in YAML."""

import json
import os
import subprocess
import sys

import pytest

MODULE = '''
import torch
from lightgen.networks.resamplers import LinearResampler
from lightgen.samplers import Sampler
from lightgen.types import NoiseFamily


class ConstantSampler(Sampler):
    """Everything becomes one id."""

    accepts = frozenset({NoiseFamily.UNIFORM})
    source = "Outside, 2026"

    def __init__(self, steps: int = 3, value: int = 0) -> None:
        super().__init__(steps)
        self.value = value

    def step(self, state, denoise, step):
        denoise(state.ids)
        return torch.full_like(state.ids, self.value), None


class OutsideResampler(LinearResampler):
    """A linear one by another name."""
'''


def package(site, module):
    """Install a package of one file, with an entry point, in a folder."""
    info = site / "outside-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "outside.py").write_text(module)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lightgen.components]\noutside = outside\n")


@pytest.fixture
def lightgen(tmp_path):
    """Runs the command where a package with an entry point is installed."""
    package(tmp_path / "site", MODULE)

    def run(*args):
        path = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-m", "lightgen", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_plugin_is_listed_trained_with_and_sampled_from(lightgen, runs, tmp_path):
    listed = lightgen("list", "sampler")
    assert "ConstantSampler" in listed and "Outside, 2026" in listed and "uniform" in listed
    (tmp_path / "overlay.yaml").write_text(
        "model:\n  init_args:\n"
        "    recipe: {sampler: {class_path: ConstantSampler, init_args: {steps: 2, value: 5}}}\n"
        "    network: {init_args: {resampler: {class_path: OutsideResampler, init_args: {axes: 2}}}}\n"
    )
    lightgen("fit", "--config", "tiny.yaml", "--config", "overlay.yaml", "--trainer.max_steps", 2,
             "--model.tokenizer", runs / "tokenizer" / "last.ckpt", "--trainer.default_root_dir", "run")  # fmt: skip
    lightgen("sample", "--ckpt_path", "run/last.ckpt", "--out", "own")
    record = json.loads((tmp_path / "own" / "samples.json").read_text())
    assert record["sampler"]["name"] == "ConstantSampler" and record["evaluations"][0] == 2
    first, second = ((tmp_path / "own" / f"00000{i}.png").read_bytes() for i in (0, 1))
    assert first == second
    lightgen("sample", "--ckpt_path", runs / "prior" / "last.ckpt", "--out", "swapped", "--sampler", "ConstantSampler")
    record = json.loads((tmp_path / "swapped" / "samples.json").read_text())
    assert record["sampler"]["arguments"] == {"steps": 3, "value": 0}
