"""Weights that are spread over two processes train as whole ones do, and one process reads them."""

import csv
import pickle
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from fsdp_on_cpus import OnCPUs, two
from lightning.pytorch.callbacks import EMAWeightAveraging as Lightnings

import lightgen
from lightgen.callbacks import EMAWeightAveraging
from lightgen.cli.main import main
from lightgen.functional.sharded_files import INDEX, REST, read_sharded
from lightgen.modules.spreading import prepare

STATES = ("state_dict", "current_model_state")


def fit(root, runs, strategy, steps, *more):
    """Two processes that train; their losses, by step."""
    codes = two(
        "fit", "--config", "tiny.yaml", "--model.tokenizer", str(runs / "tokenizer" / "last.ckpt"),
        "--trainer.default_root_dir", str(root), "--trainer.max_steps", str(steps), "--trainer.strategy", strategy,
        "--trainer.enable_progress_bar", "false", "--trainer.log_every_n_steps", "1",
        "--trainer.gradient_clip_val", "0.05", "--trainer.logger", "lightning.pytorch.loggers.CSVLogger",
        "--trainer.logger.save_dir", str(root), *more,
    )  # fmt: skip
    assert codes == [0, 0]
    (path,) = root.rglob("metrics.csv")
    with path.open() as file:
        return [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, runs):
    """The folders and losses of runs of 13 steps, by strategy; that in shards was stopped after ten, and went on."""
    root = tmp_path_factory.mktemp("fsdp")
    losses = {name: fit(root / name, runs, name, 13) for name in ("ddp", "fsdp_full")}
    begun, gone_on = root / "begun", root / "fsdp_sharded"
    losses["fsdp_sharded"] = fit(begun, runs, "fsdp_sharded", 10)
    losses["fsdp_sharded"] += fit(gone_on, runs, "fsdp_sharded", 13, "--ckpt_path", str(begun / "last.ckpt"))
    assert (root / "fsdp_full" / "samples.png").is_file() and (begun / "samples.png").is_file()
    return {name: (root / name / "last.ckpt", found) for name, found in losses.items()}


@pytest.fixture
def shards(trained, tmp_path):
    return shutil.copytree(trained["fsdp_sharded"][0], tmp_path / "last.ckpt")


@pytest.mark.parametrize("form", ["full", "sharded"])
def test_spread_weights_train_as_whole_ones(trained, form):
    """With gradients clipped by the norm of all, averaged weights, pictures at validations, and a frozen tokenizer."""
    whole, losses = trained["ddp"]
    path, found = trained[f"fsdp_{form}"]
    assert found == pytest.approx(losses, rel=1e-5) and len(found) == 13
    assert path.is_dir() == (form == "sharded")
    expected = torch.load(whole, weights_only=True)
    contents = read_sharded(path) if form == "sharded" else torch.load(path, weights_only=True)
    for state in STATES:
        assert contents[state].keys() == expected[state].keys()
        for name, tensor in expected[state].items():
            # Lightning brings all tables to float32 there.
            torch.testing.assert_close(contents[state][name].to(tensor), tensor, atol=1e-6, rtol=0)
    assert any(not torch.equal(*(contents[state][name] for state in STATES)) for name in contents["state_dict"])


@pytest.mark.parametrize("form", ["full", "sharded"])
def test_one_process_samples_what_several_saved(trained, form):
    expected, found = (lightgen.load(trained[name][0]).sample(3, seed=2) for name in ("ddp", f"fsdp_{form}"))
    assert torch.equal(found, expected)


def test_one_process_goes_on_with_the_weights_alone(trained, runs, tmp_path, capsys):
    shards = str(trained["fsdp_sharded"][0])
    options = ["--config", "tiny.yaml", "--model.tokenizer", str(runs / "tokenizer" / "last.ckpt"),
               "--trainer.enable_progress_bar", "false"]  # fmt: skip
    new = ["--trainer.default_root_dir", str(tmp_path), "--trainer.max_steps", "1", "--trainer.val_check_interval", "1"]
    assert main(["fit", *options, *new, "--ckpt_path", shards]) == 2
    assert "in shards, which only --trainer.strategy fsdp goes on with; --init_from begins" in capsys.readouterr().err
    assert main(["validate", *options, "--ckpt_path", shards]) == 0
    assert main(["fit", *options, *new, "--init_from", shards]) == 0


def test_shards_that_are_damaged_are_refused_in_a_line(shards):
    damaged = r"last\.ckpt is damaged, or a part of it is missing$"
    parts = [*shards.glob("*.distcp")]
    assert len(parts) == 2
    for part in parts:
        content = part.read_bytes()
        part.write_bytes(content[: len(content) // 10])
    with pytest.raises(ValueError, match=damaged):
        lightgen.load(shards)
    for part in parts:
        part.unlink()
    with pytest.raises(ValueError, match=damaged):
        lightgen.load(shards)
    (shards / INDEX).write_bytes((shards / INDEX).read_bytes()[:1000])
    with pytest.raises(ValueError, match=damaged):
        lightgen.load(shards)
    (shards / REST).unlink()
    with pytest.raises(ValueError, match="not one that lightgen exported"):
        lightgen.load(shards)


class Evil:
    """Writes a file when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_an_index_is_refused_and_not_run(shards, tmp_path):
    (shards / INDEX).write_bytes(pickle.dumps(Evil(tmp_path / "run")))
    with pytest.raises(ValueError, match="carries pickled code and was refused; nothing in it was executed"):
        lightgen.load(shards)
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_spread_is_refused():
    def trainer(*callbacks, **options):
        strategy = OnCPUs(parallel_devices=[torch.device("cpu")], **options)
        return SimpleNamespace(strategy=strategy, callbacks=callbacks)

    with pytest.raises(ValueError, match="fsdp spreads the weights of priors; a tokenizer is trained with ddp"):
        prepare(trainer(), "tokenizer", None)
    with pytest.raises(ValueError, match=r"goes with the callback lightgen\.callbacks\.EMAWeightAveraging, not with"):
        prepare(trainer(Lightnings()), "prior", [])
    with pytest.raises(ValueError, match="takes no auto_wrap_policy here"):
        prepare(trainer(auto_wrap_policy={torch.nn.Linear}), "prior", [])
    prepare(trainer(EMAWeightAveraging()), "prior", [])
