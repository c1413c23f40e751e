"""Options that other options depend on: the checkpoint, whose sampler and data are defaults for the rest."""

import json

import pytest
import yaml

from lightgen.cli.early import early_value, names_class
from lightgen.cli.main import main
from lightgen.samplers import Renoise


def test_a_value_on_the_command_line_or_in_a_config(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("ckpt_path: a\n")
    second.write_text("ckpt_path: b\nseed: 1\n")
    configs = ["--config", str(first), f"--config={second}"]
    assert early_value(["--ckpt_path", "c"], "ckpt_path") == early_value(["--ckpt_path=c"], "ckpt_path") == "c"
    assert early_value(configs, "ckpt_path") == "b"
    assert early_value([*configs, "--ckpt_path", "c"], "ckpt_path") == "c"
    # As for jsonargparse, the last one counts, wherever it stands.
    assert early_value(["--ckpt_path", "c", *configs], "ckpt_path") == "b"
    assert early_value([*configs, "--help"], "ckpt_path") is None
    assert early_value(["--ckpt_path"], "ckpt_path") is None
    # The parser that comes later says what is wrong with these.
    second.write_text("ckpt_path: [")
    assert early_value([*configs, "--config", "nowhere.yaml"], "ckpt_path") == "a"


@pytest.mark.parametrize(
    ("words", "config", "named"),
    [
        (["--sampler", "SUNDAE"], {}, True),
        (["--sampler=SUNDAE"], {}, True),
        (["--sampler.class_path", "SUNDAE"], {}, True),
        (["--sampler.steps", "3"], {}, False),
        ([], {"sampler": "SUNDAE"}, True),
        ([], {"sampler": {"class_path": "SUNDAE"}}, True),
        ([], {"sampler": {"init_args": {"steps": 3}}}, False),
        ([], {"seed": 1}, False),
    ],
)
def test_whether_a_class_is_chosen(words, config, named, tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert names_class(["--config", str(tmp_path / "config.yaml"), *words], "sampler") == named


@pytest.mark.parametrize("way", ["option", "class_path", "config"])
def test_arguments_of_the_checkpoints_sampler_do_not_carry_over_to_another(way, prior_checkpoint, tmp_path):
    options = {"ckpt_path": str(prior_checkpoint), "num_images": 1, "out": str(tmp_path / "out")}
    if way == "config":
        options["sampler"] = {"class_path": "Renoise"}
    (tmp_path / "sample.yaml").write_text(yaml.safe_dump(options))
    words = {"option": ["--sampler", "Renoise"], "class_path": ["--sampler.class_path", "Renoise"], "config": []}[way]
    assert main(["sample", "--config", str(tmp_path / "sample.yaml"), *words]) == 0
    used = json.loads((tmp_path / "out" / "samples.json").read_text())["sampler"]
    assert used["name"] == "Renoise" and used["arguments"]["steps"] == Renoise().steps


def test_a_checkpoint_in_a_config_keeps_its_own_sampler(prior_checkpoint, tmp_path):
    options = {"ckpt_path": str(prior_checkpoint), "num_images": 1, "out": str(tmp_path / "out")}
    (tmp_path / "sample.yaml").write_text(yaml.safe_dump(options))
    assert main(["sample", "--config", str(tmp_path / "sample.yaml")]) == 0
    of_config = json.loads((tmp_path / "out" / "samples.json").read_text())["sampler"]
    assert main(["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "1", "--out", str(tmp_path)]) == 0
    assert json.loads((tmp_path / "samples.json").read_text())["sampler"] == of_config
