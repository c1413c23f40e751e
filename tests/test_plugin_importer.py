"""An importer from outside the package, chosen by its name on the command line."""

import sys

import pytest
import torch
from published import Published, pictures
from safetensors.torch import save_file
from test_plugin import package

import lightgen
from lightgen.cli.main import main
from lightgen.registry import discover


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """An installed package, found as at the beginning of a command."""
    package(tmp_path / "site", "importer")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    discover.cache_clear()
    yield
    del sys.modules["outside_importer"]


def test_a_plugin_adds_a_kind_of_weights(outside, tmp_path, capsys):
    reference = Published()
    ids, _ = reference(pictures())
    tensors = {f"ema.{key}": tensor for key, tensor in reference.tensors.items()}
    tensors |= {f"net.{key}": torch.zeros_like(tensor) for key, tensor in reference.tensors.items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    with pytest.raises(SystemExit):
        main(["import", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "outside: VQ-GANs of an outside project." in shown and "take the moving averages of the weights" in shown
    assert main(["list", "importer"]) == 0
    assert "  outside               VQ-GANs of an outside project.\n" in capsys.readouterr().out
    weights, out = str(tmp_path / "weights.safetensors"), str(tmp_path / "out.ckpt")
    command = ["import", "--kind", "outside", "--weights", weights, "--averaged", "true", "--image_size", "16"]
    assert main([*command, "--out", out]) == 0
    assert f"left out 'net', tensors: {len(reference.tensors)}" in capsys.readouterr().out
    assert torch.equal(lightgen.load(out).encode(pictures()), ids)
