"""Options that change what a checkpoint says, by one rule, wherever they stand."""

import contextlib
import json

import pytest
import yaml
from test_cli_errors import mistake

from lightgen.cli.main import main
from lightgen.cli.overrides import Overrides
from lightgen.guidance import ConstantGuidance, Sum
from lightgen.registry import as_config, describe
from lightgen.samplers import Renoise

OWN = {"sampler": {"class_path": "SUNDAE", "init_args": {"steps": 4, "patience": 1}},
       "warps": {"class_path": "Warps", "init_args": {"temperature": 1.0}}, "guidance": None}  # fmt: skip


def applied(*words):
    return Overrides(words, tuple(OWN)).applied(OWN)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], OWN["sampler"]),
        (["--sampler", "Renoise"], "Renoise"),
        (["--sampler=Renoise"], "Renoise"),
        (["--sampler.class_path", "Renoise"], "Renoise"),
        (["--sampler.steps", "3"], {"class_path": "SUNDAE", "init_args": {"steps": 3, "patience": 1}}),
        (["--sampler.init_args.steps=3"], {"class_path": "SUNDAE", "init_args": {"steps": 3, "patience": 1}}),
        (["--sampler", "Renoise", "--sampler.steps", "3"], {"class_path": "Renoise", "init_args": {"steps": 3}}),
        (["--sampler.steps", "3", "--sampler", "Renoise"], "Renoise"),
        (["--sampler", "Renoise", "--sampler", "{steps: 3}"], {"class_path": "Renoise", "init_args": {"steps": 3}}),
        (["--sampler.init_args", "{steps: 3}"], {"class_path": "SUNDAE", "init_args": {"steps": 3, "patience": 1}}),
        (["--sampler", "MaskGIT", "--sampler.schedule", "Power", "--sampler.schedule.exponent", "2"],
         {"class_path": "MaskGIT", "init_args": {"schedule": {"class_path": "Power", "init_args": {"exponent": 2}}}}),
    ],
)  # fmt: skip
def test_a_class_replaces_the_whole_and_an_argument_changes_one(words, expected):
    assert applied(*words)["sampler"] == expected


def test_components_in_lists_become_words_of_yaml_too():
    words = as_config(describe(Sum([ConstantGuidance(2.0)])))
    assert words["init_args"]["parts"][0]["class_path"] == "ConstantGuidance"


def test_configs_stand_where_their_option_stands(tmp_path):
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("sampler: {class_path: Renoise, init_args: {steps: 7}}\nseed: 1\n")
    second.write_text("sampler: {init_args: {steps: 8}}\nwarps: {temperature: 0.5}\n")
    configs = ["--config", str(first), f"--config={second}"]
    found = applied(*configs)
    assert found["sampler"] == {"class_path": "Renoise", "init_args": {"steps": 8}}
    assert found["warps"]["init_args"] == {"temperature": 0.5}
    assert applied(*configs, "--sampler.steps", "9")["sampler"]["init_args"] == {"steps": 9}
    assert applied("--sampler.steps", "9", *configs)["sampler"]["init_args"] == {"steps": 8}
    # What is left goes to the other options, where a config may say the rest.
    rest = Overrides(["--seed", "2", *configs, "--sampler.help", "Renoise"], tuple(OWN)).rest
    assert rest == ["--seed", "2", "--config", "seed: 1\n", "--config", "{}\n", "--sampler.help", "Renoise"]


def test_mistakes_are_one_line(tmp_path):
    with pytest.raises(ValueError, match="--sampler needs a value"):
        applied("--sampler")
    with pytest.raises(ValueError, match=r"there is no guidance to change; name its class with --guidance"):
        applied("--guidance.scale", "2")
    with pytest.raises(ValueError, match=r"name its class with --sampler\.schedule"):
        applied("--sampler", "MaskGIT", "--sampler.schedule.exponent", "2")
    with pytest.raises(ValueError, match="--sampler has a value that cannot be read"):
        applied("--sampler", "{a: ")
    for text in ("a: [", "[1, 2]"):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(ValueError, match=r"bad.yaml is not a config"):
            applied("--config", str(tmp_path / "bad.yaml"))


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


def test_null_and_the_name_of_the_only_class_are_no_traps(prior_checkpoint, tmp_path, capsys):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "1", "--out", str(tmp_path)]
    for warps in ("null", "Warps"):
        assert main([*sample, "--warps", warps]) == 0
        assert json.loads((tmp_path / "samples.json").read_text())["warps"]["arguments"]["temperature"] == 1.0
    assert main([*sample, "--sampler", "null"]) == 2
    assert "sampler must be one of those" in capsys.readouterr().err


def test_a_null_deep_inside_a_component(capsys):
    """jsonargparse takes it for a text."""
    args = ["--config", "emoji64-8x8-tokenizer.yaml", "--model.loss.perceptual", "null", "--print_config"]
    with contextlib.suppress(SystemExit):
        main(["fit", *args, "--model.tokenizer.latent_channels=null", "--model.tokenizer.width", "8"])
    made = yaml.safe_load(capsys.readouterr().out)["model"]["init_args"]
    assert made["loss"]["init_args"]["perceptual"] is None and made["loss"]["init_args"]["l1"] == 0.2
    assert made["tokenizer"]["init_args"]["latent_channels"] is None
    assert mistake(capsys, ["fit", *args[:2], "--model.tokenizer.width", "null"]).endswith(
        "must be a whole number, not null"
    )
