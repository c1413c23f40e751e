"""Every method's overlay trains and samples through the real command line."""

import json

import pytest
import yaml
from stubs import interface

from lightgen.cli.configs import shipped
from lightgen.cli.main import main
from lightgen.registry import describe, find

OVERLAYS = sorted(p.name for p in (shipped() / "method").glob("*.yaml") if p.name != "inpainting.yaml")
"""Those of a process and a sampler; `inpainting.yaml` goes on with a prior of any."""


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay(name, tokenizer_checkpoint, tmp_path):
    root, out = tmp_path / "run", tmp_path / "out"
    args = [
        "fit",
        "--config",
        "tiny.yaml",
        "--config",
        f"method/{name}",
        "--model.tokenizer",
        str(tokenizer_checkpoint),
    ]
    more = ["--trainer.max_steps", "2", "--trainer.val_check_interval", "2", "--trainer.enable_progress_bar", "false"]
    assert main([*args, *more, "--trainer.default_root_dir", str(root)]) == 0
    assert main(["sample", "--ckpt_path", str(root / "last.ckpt"), "--num_images", "2", "--out", str(out)]) == 0
    given = yaml.safe_load((shipped() / "method" / name).read_text())["model"]["init_args"]["recipe"]
    record = json.loads((out / "samples.json").read_text())
    assert record["sampler"]["name"] == given["sampler"]["class_path"]
    assert record["sampler"]["arguments"].get("steps") == given["sampler"]["init_args"].get("steps")


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_spells_out_every_argument(name):
    """What an overlay leaves out it would silently inherit from the config below it."""
    text = (shipped() / "method" / name).read_text()
    assert f"--config method/{name}" in text
    given = yaml.safe_load(text)["model"]["init_args"]
    assert given.keys() - {"others", "network"} == {"process", "recipe"}
    given |= given["recipe"]
    assert given["recipe"].keys() == {"sampler", "warps"}
    for other in given.get("others", {}).values():
        known = describe(find("network", other["class_path"])(interface(4, 1, (2, 2))))["arguments"]
        assert list(known)[1:] == list(other["init_args"])
    for kind in ("process", "sampler"):
        cls, arguments = find(kind, given[kind]["class_path"]), given[kind]["init_args"]
        known = describe(cls(4) if kind == "process" else cls())["arguments"]
        assert known.keys() - {"vocab_size"} == arguments.keys()
