"""A checkpoint that somebody else made runs nothing and reaches nothing: neither by its parts nor by its config."""

import itertools
import sys
from pathlib import Path

import pytest
import timm
import torch
import yaml

from lightgen.checkpoint import KEY, load
from lightgen.cli.main import main
from lightgen.data import ImageFolder

FEATURES = {"kind": "features", "name": "TimmFeatures", "arguments": {"model": "hf-hub:evil/evil"}}
FOLDER = {"kind": "data", "name": "ImageFolder", "arguments": {"root": "/"}}


@pytest.fixture
def untouched(monkeypatch, tmp_path):
    """Fails when a model is asked for, a folder is opened, or the module `evilmod` is imported."""

    def refuse(*args, **kwargs):
        raise AssertionError("a part of a hostile checkpoint was made")

    monkeypatch.setattr(timm, "create_model", refuse)
    monkeypatch.setattr(ImageFolder, "__init__", refuse)
    (tmp_path / "evilmod.py").write_text("from lightgen.data import SyntheticImages as Thing, ImageFolder")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    assert "evilmod" not in sys.modules and "this" not in sys.modules


def changed(checkpoint: Path, out: Path, change) -> str:
    contents = torch.load(checkpoint, weights_only=True)
    change(contents[KEY])
    torch.save(contents, out)
    return str(out)


def mistake(capsys, *args) -> str:
    assert main([str(arg) for arg in args]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: "))
    return line


def put(path: str, value):
    """Puts a value at a place of the description."""

    def change(entry):
        part = entry["component"]
        *way, last = path.split("/")
        for name in way:
            part = part["arguments"][name]
        part["arguments"][last] = value

    return change


@pytest.mark.parametrize("value", [FEATURES, FOLDER], ids=["features", "data"])
@pytest.mark.parametrize(
    "place",
    ["tokenizer", "tokenizer/quantizer", "tokenizer/width", "network", "network/interface", "network/resampler",
     "network/interface/conditioner", "network/dim", "process", "recipe", "recipe/sampler", "recipe/sampler/steps",
     "recipe/guidance", "others"],
)  # fmt: skip
def test_a_part_of_the_wrong_kind_is_refused(untouched, prior_checkpoint, tmp_path, capsys, place, value):
    path = changed(prior_checkpoint, tmp_path / "evil.ckpt", put(place, value))
    line = mistake(capsys, "sample", "--ckpt_path", path, "--out", tmp_path / "out")
    assert "evil.ckpt" in line and f"the {value['kind']} {value['name']} stands where" in line
    assert not (tmp_path / "out").exists()


def test_within_lists_and_mappings_too(untouched, prior_checkpoint, tmp_path):
    for place in ("others", "recipe/guidance"):
        hidden = {"critic": FEATURES} if place == "others" else {
            "kind": "guidance", "name": "Sum", "arguments": {"parts": [FEATURES]}
        }  # fmt: skip
        with pytest.raises(ValueError, match=r"the features TimmFeatures stands where (network|guidance) belongs"):
            load(changed(prior_checkpoint, tmp_path / "evil.ckpt", put(place, hidden)))


@pytest.mark.parametrize("value", [FEATURES, FOLDER], ids=["features", "data"])
def test_a_checkpoint_holds_a_prior_or_a_tokenizer(untouched, prior_checkpoint, tmp_path, value):
    path = changed(prior_checkpoint, tmp_path / "evil.ckpt", lambda entry: entry.update(component=value))
    with pytest.raises(ValueError, match="stands where prior or tokenizer or scorer belongs"):
        load(path)


@pytest.mark.parametrize(
    "data",
    [
        {"class_path": "evilmod.Thing", "init_args": {}},
        {"class_path": "evilmod.ImageFolder", "init_args": {"root": "/"}},
        {"class_path": "this.s"},
        "evilmod.Thing",
        {"class_path": "CachedTokens", "init_args": {"cache": "c", "data": "evilmod.Thing"}},
        {"class_path": "CachedTokens", "init_args": {"cache": "c", "data": {"class_path": "evilmod.Thing"}}},
        {"class_path": "SyntheticImages", "init_args": {"num_images": {"class_path": "evilmod.Thing"}}},
        {"class_path": "TimmFeatures", "init_args": {"model": "hf-hub:evil/evil"}},
        {"class_path": ["evilmod"]},
        [],
    ],
    ids=str,
)
def test_a_config_in_a_checkpoint_imports_nothing(untouched, runs, tmp_path, capsys, data):
    commands = [("encode", "--tokenizer"), ("reconstruct", "--ckpt_path"), ("validate", "--ckpt_path")]
    for stage, (command, option) in itertools.product(("tokenizer", "prior"), commands):
        config = yaml.safe_dump({"data": data})
        path = changed(runs / stage / "last.ckpt", tmp_path / "evil.ckpt", lambda e, c=config: e.update(config=c))
        where = [] if command == "validate" else ["--out", tmp_path / "out"]
        line = mistake(capsys, command, option, path, *where)
        assert "evil.ckpt" in line and "--data" in line
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "loss",
    [
        {"class_path": "ReconstructionLoss", "init_args": {"perceptual": {"class_path": "FeatureDistance", "init_args":
                                                                          {"model": "hf-hub:evil/evil"}}}},
        {"class_path": "ReconstructionLoss", "init_args": {"l1": {"class_path": "evilmod.Thing"}}},
        {"class_path": "evilmod.Thing"},
        "evilmod.Thing",
    ],
    ids=str,
)  # fmt: skip
def test_nor_does_the_loss_in_it(untouched, tokenizer_checkpoint, tmp_path, capsys, loss):
    data = {"class_path": "SyntheticImages", "init_args": {"image_size": 16, "num_images": 40, "val_fraction": 0.2}}
    config = yaml.safe_dump({"data": data, "model": {"init_args": {"loss": loss}}})
    path = changed(tokenizer_checkpoint, tmp_path / "evil.ckpt", lambda entry: entry.update(config=config))
    code = main(["validate", "--ckpt_path", path, "--trainer.enable_progress_bar", "false"])
    error = capsys.readouterr().err
    assert (code, "without its perceptual part" in error) == (0, True) if "hf-hub" in str(loss) else code == 2
    assert code == 0 or ("evil.ckpt" in error and "--model.loss" in error)


@pytest.mark.parametrize("config", ["[", "3", "data: {class_path: !!python/name:os.system }"])
def test_a_config_that_is_none_is_one_line(runs, tmp_path, capsys, config):
    path = changed(runs / "tokenizer" / "last.ckpt", tmp_path / "evil.ckpt", lambda entry: entry.update(config=config))
    line = mistake(capsys, "encode", "--tokenizer", path, "--out", tmp_path / "out")
    assert "evil.ckpt" in line and "--data" in line


def test_a_module_that_the_user_names_is_imported(runs, tmp_path, monkeypatch):
    (tmp_path / "mine_of_my_own.py").write_text(
        "from lightgen.data import SyntheticImages\nclass Mine(SyntheticImages):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = yaml.safe_dump({"data": {"class_path": "not_here.Mine"}})
    path = changed(runs / "tokenizer" / "last.ckpt", tmp_path / "other.ckpt", lambda entry: entry.update(config=config))
    args = ["encode", "--tokenizer", path, "--data", "mine_of_my_own.Mine",
            "--data.image_size", "16", "--data.num_images", "20", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(args) == 0
    assert (tmp_path / "out" / "cache.json").is_file()
