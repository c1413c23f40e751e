"""Training from a token cache is training on the fly, and says what it waits for and what it lacks."""

import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch
from pictures import contents
from pictures import folder as picture_folder
from torch.utils.data import Dataset

from lightgen.callbacks import DataWait
from lightgen.cli.main import main
from lightgen.data import CachedTokens
from lightgen.data.loader import TrainLoader
from lightgen.data.order import TrainOrder


@pytest.fixture(scope="module")
def cache(tokenizer_checkpoint, tmp_path_factory):
    """Of the pictures of tiny.yaml, as the command makes it."""
    folder = tmp_path_factory.mktemp("cache")
    assert main(["encode", "--tokenizer", str(tokenizer_checkpoint), "--out", str(folder)]) == 0
    return folder


def fit(root, tokenizer, *more):
    """`lightgen fit` of tiny.yaml, and the value of each scalar at each step."""
    args = ["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer),
            "--trainer.default_root_dir", str(root), "--trainer.enable_progress_bar", "false",
            "--trainer.log_every_n_steps", "1", "--trainer.max_steps", "45", "--trainer.val_check_interval", "15",
            "--trainer.logger", "CSVLogger", "--trainer.logger.save_dir", str(root), *more]  # fmt: skip
    assert main(args) == 0
    (path,) = root.rglob("metrics.csv")
    head, *rows = (line.split(",") for line in path.read_text().splitlines())
    return {name: [row[i] for row in rows if row[i]] for i, name in enumerate(head)}


def test_training_from_a_cache_is_training_on_the_fly(cache, tokenizer_checkpoint, tmp_path, capsys):
    """Two epochs, with mirrors, labels, validation and averaged weights: equal to the last digit."""
    fly = fit(tmp_path / "fly", tokenizer_checkpoint)
    capsys.readouterr()
    cached = fit(tmp_path / "cached", tokenizer_checkpoint, "--data", "CachedTokens", "--data.cache", str(cache))
    said = capsys.readouterr().err
    assert len(fly["train/loss"]) == 45 and len(fly["val/loss"]) == 3
    waited = [float(share) for share in cached.pop("train/data_wait")]
    assert all(0 < share < 1 for share in waited) and len(waited) == 45
    fly.pop("train/data_wait")
    assert len(fly.pop("train/steps_per_second")) == len(cached.pop("train/steps_per_second")) == 44
    assert cached == fly
    assert f"waited for data {waited[-1]:.2%}" in said
    assert "samples are not scored against held-out ones" in said
    a, b = (torch.load(tmp_path / name / "last.ckpt", weights_only=True) for name in ("fly", "cached"))
    assert all(torch.equal(tensor, b["state_dict"][name]) for name, tensor in a["state_dict"].items())


def mistake(capsys, args):
    assert main(args) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: "))
    return line


def test_a_prior_learns_from_a_cache_whose_pictures_are_gone(tokenizer_checkpoint, tmp_path, capsys):
    files = picture_folder(tmp_path / "pictures", 60)
    data = ["--data", "ImageFolder", "--data.root", str(files), "--data.labels", "true", "--data.image_size", "16"]
    folder = tmp_path / "cache"
    assert main(["encode", "--tokenizer", str(tokenizer_checkpoint), *data, "--out", str(folder)]) == 0
    shutil.rmtree(files)
    data = CachedTokens(str(folder))
    assert data.class_names == ["cats", "dogs"] and sum(data.cache.header.counts.values()) == 60
    labels = data.dataset("train").conditions["label"].tolist()
    assert [data.class_names[label] for label in labels] == [n.split("/")[0] for n in data.cache.names("train")]
    cached = fit(tmp_path / "run", tokenizer_checkpoint, "--data", "CachedTokens", "--data.cache", str(folder),
                 "--model.conditioner", "ClassLabel", "--model.conditioner.num_classes", "2",
                 "--trainer.max_steps", "15")  # fmt: skip
    assert len(cached["train/loss"]) == 15 and cached["val/loss"]
    prior = str(tmp_path / "run" / "last.ckpt")
    line = mistake(capsys, ["reconstruct", "--ckpt_path", prior, "--out", str(tmp_path / "out")])
    assert "does not say what pictures" in line and "--data" in line


def test_first_use_on_two_processes(cache, tokenizer_checkpoint, tmp_path):
    """The cache that training makes for itself is that of the command."""
    data = {"image_size": 16, "num_images": 200, "mirror": "true", "val_fraction": 0.1, "test_fraction": 0.1}
    command = [sys.executable, "-m", "lightgen", "fit", "--config", "tiny.yaml", "--data", "CachedTokens",
               "--data.cache", tmp_path / "cache", "--data.data", "SyntheticImages",
               *(part for name, value in data.items() for part in (f"--data.data.{name}", value)),
               "--model.tokenizer", tokenizer_checkpoint, "--trainer.default_root_dir", tmp_path,
               "--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu",
               "--trainer.max_steps", "4", "--trainer.val_check_interval", "2"]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "encoding 200 pictures" in done.stderr
    assert contents(tmp_path / "cache") == contents(cache)


def test_mistakes_on_the_command_line(cache, runs, capsys, tmp_path):
    tokenizer = str(runs / "tokenizer" / "last.ckpt")
    prior = ["fit", "--config", "tiny.yaml", "--trainer.enable_progress_bar", "false", "--data", "CachedTokens",
             "--trainer.default_root_dir", str(tmp_path), "--model.tokenizer"]  # fmt: skip
    line = mistake(capsys, [*prior, tokenizer, "--data.cache", "nowhere"])
    assert "no token cache at nowhere; `lightgen encode" in line
    stage_one = ["fit", "--config", "tiny-tokenizer.yaml", "--trainer.default_root_dir", str(tmp_path)]
    line = mistake(capsys, [*stage_one, "--data", "CachedTokens", "--data.cache", str(cache)])
    assert "for training a prior, not for TokenizerModule" in line
    other = tmp_path / "other.ckpt"
    changed = torch.load(tokenizer, weights_only=True)
    next(t for t in changed["state_dict"].values() if t.is_floating_point()).add_(1)
    torch.save(changed, other)
    assert "was made by another tokenizer" in mistake(capsys, [*prior, str(other), "--data.cache", str(cache)])
    encoding = ["encode", "--out", str(tmp_path / "out"), "--tokenizer"]
    assert "no checkpoint at none.ckpt" in mistake(capsys, [*encoding, "none.ckpt"])
    assert "no device cuda:99" in mistake(capsys, [*encoding, tokenizer, "--device", "cuda:99"])
    assert "num_crops must be at least 0" in mistake(capsys, [*encoding, tokenizer, "--num_crops", "-1"])
    assert not (tmp_path / "out").exists()


def test_a_run_does_not_go_on_with_the_ids_of_another_tokenizer(cache):
    data = CachedTokens(str(cache))
    data.load_state_dict(data.state_dict())
    with pytest.raises(ValueError, match="made by another tokenizer"):
        data.load_state_dict({"tokenizer": "0123456789abcdef"})


class Slow(Dataset):
    def __len__(self):
        return 100

    def __getitems__(self, keys):
        time.sleep(0.03)
        return keys


def test_the_share_of_time_waited_is_measured():
    loader, wait, logged = TrainLoader(Slow(), TrainOrder(100, 20), 0), DataWait(), []
    trainer = SimpleNamespace(train_dataloader=loader, accumulate_grad_batches=1)
    module = SimpleNamespace(log=lambda name, value: logged.append((name, value)))
    for _ in loader:
        wait.on_train_batch_start()
        time.sleep(0.01)
        wait.on_train_batch_end(trainer, module)
    waited = [share for name, share in logged if name == "train/data_wait"]
    speeds = [speed for name, speed in logged if name == "train/steps_per_second"]
    assert len(waited) == len(loader) and len(speeds) == len(loader) - 1
    assert 0.6 < waited[-1] < 0.85
