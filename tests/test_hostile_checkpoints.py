"""A checkpoint that somebody else made runs nothing and reaches nothing: neither by its parts nor by its config."""

import errno
import io
import itertools
import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest
import timm
import torch
import yaml
from PIL import Image
from safetensors.torch import save_file

from lightgen.checkpoint import KEY, export, load, save, write
from lightgen.cli.main import main
from lightgen.data import ImageFolder
from lightgen.functional.picture_files import read_upright
from lightgen.functional.weights import read_weights
from lightgen.importers.reading import read_tensors

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


def mistake(capsys, *args, code=2) -> str:
    assert main([str(arg) for arg in args]) == code
    error = capsys.readouterr().err
    (line,) = (line for line in error.splitlines() if line.startswith("lightgen: "))
    assert "Traceback" not in error and "Error:" not in line and "--debug" not in line
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


def without(*names: str):
    return lambda contents: [contents.pop(name) for name in names]


def entry(**changes):
    return lambda contents: contents[KEY].update(changes)


def weights(change):
    """Changes the tensors of a checkpoint by a function of each."""
    return lambda contents: contents.update(
        state_dict={name: change(tensor) for name, tensor in contents["state_dict"].items()}
    )


PRIOR = {"kind": "prior", "name": "Prior", "arguments": {}}


@pytest.mark.parametrize(
    "change",
    [
        without("state_dict"),
        *(lambda c, v=value: c.update({KEY: v}) for value in (1, "x", None, [1], {}, {"component": None},
                                                              {"component": {"kind": "prior"}})),
        *(lambda c, v=value: c.update(state_dict=v) for value in (3, None, [], {"a": 1}, {"a": "b"},
                                                                  {3: torch.ones(1)})),
        lambda c: c.update(current_model_state=3),
        lambda c: c.update(current_model_state={"a": 1}),
        *(lambda c, n=name: c[KEY].pop(n) for name in ("version", "prefix", "component")),
        entry(version=3), entry(version="0.1.0"), entry(prefix=3), entry(categories=3), entry(categories={"label": 3}),
        *(entry(component={**PRIOR, **wrong}) for wrong in ({"kind": []}, {"name": 3}, {"arguments": 3})),
        weights(lambda tensor: tensor.to_sparse()), weights(lambda tensor: tensor.to("meta")),
        lambda c: c["state_dict"].update({"network.parametrizations.weight.0.up": torch.ones(1)}),
    ],
)  # fmt: skip
def test_a_damaged_one_is_said_to_be(prior_checkpoint, tmp_path, capsys, change):
    contents = torch.load(prior_checkpoint, weights_only=True)
    change(contents)
    path = tmp_path / "damaged.ckpt"
    torch.save(contents, path)
    line = mistake(capsys, "sample", "--ckpt_path", path, "--out", tmp_path / "out")
    assert line == f"lightgen: {path} is not a checkpoint that lightgen wrote, or is damaged"


@pytest.mark.parametrize(
    ("place", "value"),
    [("network", 3), ("recipe", "x"), ("tokenizer", {"name": 3}), ("network/interface", None), ("process", {}),
     ("network/dim", 0), ("network", {"kind": "network", "name": 3, "arguments": {}}),
     ("network", {"kind": "network", "name": "Transformer", "arguments": 3})],
)  # fmt: skip
def test_a_part_that_is_none_is_one_line(prior_checkpoint, tmp_path, capsys, place, value):
    path = changed(prior_checkpoint, tmp_path / "damaged.ckpt", put(place, value))
    assert "damaged.ckpt" in mistake(capsys, "sample", "--ckpt_path", path, "--out", tmp_path / "out")


@pytest.mark.parametrize(
    "change",
    [lambda e: e.pop("version"), lambda e: e.update(component=3), lambda e: e.update(tokenizer_beside=3),
     lambda e: e.update(tokenizer_beside={"name": 3, "checksum": 1})],
)  # fmt: skip
def test_a_damaged_folder_is_said_to_be(prior_checkpoint, tmp_path, capsys, change):
    export(prior_checkpoint, tmp_path / "folder")
    config = tmp_path / "folder" / "config.json"
    described = yaml.safe_load(config.read_text())
    change(described)
    config.write_text(yaml.safe_dump(described, default_flow_style=True, width=10**9))
    line = mistake(capsys, "sample", "--ckpt_path", config.parent, "--out", tmp_path / "out")
    assert str(config.parent) in line and ("damaged" in line or "not one that lightgen exported" in line)


COMMON = ["--trainer.enable_progress_bar", "false"]


@pytest.mark.parametrize("command", ["fit", "validate", "test"])
def test_one_of_the_other_stage_is_refused(tokenizer_checkpoint, prior_checkpoint, tmp_path, capsys, command):
    given = ["--model.tokenizer", tokenizer_checkpoint, "--ckpt_path", tokenizer_checkpoint]
    line = mistake(capsys, command, "--config", "tiny.yaml", *given, *COMMON)
    assert line == f"lightgen: {tokenizer_checkpoint} holds a tokenizer, where a prior is needed"
    line = mistake(capsys, command, "--config", "tiny-tokenizer.yaml", "--ckpt_path", prior_checkpoint, *COMMON)
    assert line == f"lightgen: {prior_checkpoint} holds a prior, where a tokenizer is needed"


@pytest.mark.parametrize("part", ["optimizer_states", "lr_schedulers", "loops", "pytorch-lightning_version"])
def test_weights_alone_are_begun_with_and_not_gone_on_with(tokenizer_checkpoint, tmp_path, capsys, part):
    contents = torch.load(tokenizer_checkpoint, weights_only=True)
    del contents[part]
    path = tmp_path / "weights.ckpt"
    torch.save(contents, path)
    line = mistake(capsys, "fit", "--config", "tiny-tokenizer.yaml", "--ckpt_path", path, *COMMON)
    assert line == (
        f"lightgen: {path} holds weights alone, so that fit cannot go on with it; --init_from {path} begins with them"
    )


def test_weights_alone_are_scored_without_a_config(tokenizer_checkpoint, tmp_path, capsys):
    path = tmp_path / "weights.ckpt"
    save(load(tokenizer_checkpoint), path)
    line = mistake(capsys, "validate", "--config", "tiny-tokenizer.yaml", "--ckpt_path", path, *COMMON)
    assert "holds weights alone, which validate scores without --config and --model" in line


@pytest.fixture
def forbidden(monkeypatch):
    """Makes files that may not be read; of root the system would not keep them."""
    paths: set[str] = set()

    def opened(file, *args, **kwargs):
        if str(file) in paths:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return usual(file, *args, **kwargs)

    usual = io.open
    monkeypatch.setattr("io.open", opened)
    monkeypatch.setattr("builtins.open", opened)
    return lambda path: paths.add(str(path))


def test_a_checkpoint_that_may_not_be_read_is_not_called_damaged(prior_checkpoint, tmp_path, capsys, forbidden):
    file, folder = tmp_path / "mine.ckpt", tmp_path / "folder"
    shutil.copy(prior_checkpoint, file)
    export(prior_checkpoint, folder)
    for path, culprit in ((file, file), (folder, folder / "model.safetensors"), (folder, folder / "config.json")):
        forbidden(culprit)
        line = mistake(capsys, "sample", "--ckpt_path", path, "--out", tmp_path / "out")
        assert line == f"lightgen: {culprit} may not be read or written by you"


def test_a_file_in_a_folder_that_is_closed_is_one_line_too(tmp_path, capsys, monkeypatch):
    def stat(path, **kwargs):
        if path.name == "mine.ckpt":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return usual(path, **kwargs)

    usual = Path.stat
    monkeypatch.setattr(Path, "stat", stat)
    line = mistake(capsys, "sample", "--ckpt_path", tmp_path / "mine.ckpt", "--out", tmp_path / "out")
    assert line == f"lightgen: {tmp_path / 'mine.ckpt'} may not be read or written by you"


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.ckpt", "weights.msgpack"])
def test_nor_are_weights_and_pictures(tmp_path, capsys, forbidden, name):
    path = tmp_path / name
    if path.suffix == ".safetensors":
        save_file({"x": torch.ones(1)}, path)
    else:
        path.write_bytes(b"\x81") if path.suffix == ".msgpack" else torch.save({"x": torch.ones(1)}, path)
    Image.new("RGB", (4, 4)).save(picture := tmp_path / "picture.png")
    forbidden(path)
    forbidden(picture)
    for read in (read_tensors, read_weights):
        with pytest.raises(PermissionError, match=name):
            read(path)
    with pytest.raises(PermissionError, match=r"picture\.png"):
        read_upright(picture)
    line = mistake(capsys, "import", "--kind", "taming", "--weights", path, "--out", tmp_path / "out.ckpt")
    assert line == f"lightgen: {path} may not be read or written by you"


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"count,name\nfoo\nbar\n", b"class: x\nb: 3\n", pickle.dumps([1, 2]), None], ids=str
)
def test_what_is_no_checkpoint_is_not_accused_of_code(tmp_path, capsys, content):
    path = tmp_path / "picture.png"
    Image.new("RGB", (4, 4)).save(path) if content is None else path.write_bytes(content)
    line = mistake(capsys, "sample", "--ckpt_path", path, "--out", tmp_path / "out")
    assert line == f"lightgen: {path} is not a checkpoint, or is damaged"


class _Calls:
    def __reduce__(self):
        return (os.mkdir, (_Calls.path,))


@pytest.mark.parametrize("archive", [True, False])
@pytest.mark.parametrize("what", [_Calls(), torch.nn.Linear(1, 1), Path("x")], ids=["call", "module", "path"])
def test_what_carries_code_is(tmp_path, capsys, archive, what):
    _Calls.path, path = str(tmp_path / "executed"), tmp_path / "evil.ckpt"
    torch.save({KEY: what}, path, _use_new_zipfile_serialization=archive)
    line = mistake(capsys, "sample", "--ckpt_path", path, "--out", tmp_path / "out")
    assert "carries pickled code and was refused" in line
    assert not Path(_Calls.path).exists()


def test_a_checkpoint_that_cannot_be_written_is_one_plain_line(tokenizer_checkpoint, tmp_path, capsys, monkeypatch):
    def full(contents, path):
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 149440 vs 149332")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="is the disk full"):
        write({}, tmp_path / "a.ckpt")
    monkeypatch.setattr("lightgen.cli.demo.main", lambda args: write({}, tmp_path / "a.ckpt"))
    line = mistake(capsys, "demo", code=1)
    said = "could not be written, is the disk full? What was there before still is"
    assert line == f"lightgen: {tmp_path / 'a.ckpt'} {said}"
