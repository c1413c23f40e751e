"""Token caches: the same ids as on the fly, whole or refused, whoever made them and however often they were killed."""

import json
import logging
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from filelock import FileLock
from pictures import folder as picture_folder
from PIL import Image
from torch.utils.data import Dataset

from lightgen.callbacks import DataWait
from lightgen.checkpoint import load_tokenizer
from lightgen.cli.main import main
from lightgen.data import CachedTokens, ImageFolder, SyntheticImages
from lightgen.data import encode as encoding
from lightgen.data.base import SPLITS
from lightgen.data.encode import encode
from lightgen.data.loader import TrainLoader
from lightgen.data.order import TrainOrder
from lightgen.data.pictures import to_tensor
from lightgen.data.token_cache import TokenCache, plain
from lightgen.data.tokens import TokenOrder
from lightgen.functional.splits import window
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import to_unit

SMALL = {"image_size": 16, "num_images": 60, "val_fraction": 0.2, "test_fraction": 0.1}


@pytest.fixture
def tokenizer(tokenizer_checkpoint):
    return load_tokenizer(str(tokenizer_checkpoint))


@pytest.fixture
def short_files(monkeypatch):
    """Seven pictures in a file, so that small caches have several."""
    monkeypatch.setattr(encoding, "ROWS", 7)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def everything(dataset):
    return plain(torch.arange(len(dataset)))


class ManyCodes(PixelTokenizer):
    """Three ids at every position, of a codebook too large for 16 bits."""

    def __init__(self, image_size):
        super().__init__(image_size)
        self.vocab_size = 70_000

    def encode(self, images):
        return torch.stack([super(ManyCodes, self).encode(images) + 69_000 * k for k in (0, 1, 1)], 1)


def test_ids_labels_and_names_are_those_of_the_pictures(tokenizer, tmp_path, short_files):
    data = SyntheticImages(**SMALL, mirror=True)
    cache = encode(tmp_path, tokenizer, data)
    for split in SPLITS:
        pictures, dataset = data.dataset(split), cache.dataset(split)
        images = to_unit(pictures.images())
        numbers, crops, flips = everything(dataset)
        batch = dataset.__getitems__((numbers, crops, flips))
        assert batch["ids"].dtype == torch.int64 and torch.equal(batch["ids"], tokenizer.encode(images))
        assert torch.equal(batch["label"], pictures.labels) and torch.equal(batch["index"], numbers)
        assert cache.names(split) == pictures.names
        assert {shard.dtype for shard in dataset.shards} == {np.dtype(np.uint16)}
        assert all(isinstance(shard.base, np.memmap) for shard in dataset.shards)
    train = cache.dataset("train")
    assert len(train.shards) > 3
    mixed = torch.randperm(len(train), generator=torch.Generator().manual_seed(0))
    flips = mixed % 2
    seen = train.__getitems__((mixed, torch.zeros_like(mixed), flips))["ids"]
    images = to_unit(data.dataset("train").images())[mixed]
    assert torch.equal(seen, tokenizer.encode(torch.where(flips.bool()[:, None, None, None], images.flip(-1), images)))


def test_any_shape_of_ids_and_large_codebooks(tmp_path, short_files):
    data = SyntheticImages(image_size=8, num_images=30, channels=1)
    dataset = encode(tmp_path, ManyCodes(8), data).dataset("train")
    ids = dataset.__getitems__(everything(dataset))["ids"]
    assert dataset.shards[0].dtype == np.uint32 and ids.shape == (len(dataset), 3, 8, 8)
    assert torch.equal(ids, ManyCodes(8).encode(to_unit(data.dataset("train").images())))
    assert ids.max() > 1 << 16


def test_crops_are_windows_of_the_picture_and_depend_on_its_identity_alone(tmp_path, short_files):
    files = picture_folder(tmp_path / "pictures", 20)
    options = {"image_size": 16, "channels": 1, "mirror": True, "val_fraction": 0.2, "test_fraction": 0.0}
    first = encode(tmp_path / "a", PixelTokenizer(16), ImageFolder(str(files), **options), num_crops=3)
    assert first.header.views("train") == (3, 2) and first.header.views("val") == (1, 1)
    a, names = first.dataset("train"), first.names("train")
    crops = [a.__getitems__((n, n * 0 + k, n * 0))["ids"] for n in [torch.arange(len(a))] for k in range(3)]
    assert not torch.equal(crops[0], crops[1]) and not torch.equal(crops[1], crops[2])
    picture_folder(files, 26)
    second = encode(tmp_path / "b", PixelTokenizer(16), ImageFolder(str(files), **options), num_crops=3)
    b, row = second.dataset("train"), second.names("train").index
    moved = torch.tensor([row(name) for name in names])
    for k, expected in enumerate(crops):
        assert torch.equal(b.__getitems__((moved, moved * 0 + k, moved * 0))["ids"], expected)
        mirrored = b.__getitems__((moved, moved * 0 + k, moved * 0 + 1))["ids"]
        assert torch.equal(mirrored.flip(-1), expected)


def test_a_window_shows_what_its_numbers_say():
    """On ramps, where a pixel's value says where it is, in a picture that is wider than high."""
    across, down = (Image.fromarray(a.astype(np.uint8)) for a in np.meshgrid(np.arange(240), np.arange(120)))
    for size, left, top in [(0.0, 0.0, 0.0), (0.0, 1.0, 1.0), (1.0, 0.25, 0.5), (0.5, 0.5, 0.0)]:
        side = 120 * (0.8 + 0.2 * size)
        for ramp, start in [(across, left * (240 - side)), (down, top * (120 - side))]:
            seen = to_tensor(ramp, (12, 12), 1, "box", (size, left, top)).double()
            assert seen.mean() == pytest.approx(start + side / 2 - 0.5, abs=1)
            assert seen.max() - seen.min() == pytest.approx(side * 11 / 12, abs=1.5)
    sizes, lefts, tops = zip(*(window("name", k, 0) for k in range(400)), strict=True)
    for part in (sizes, lefts, tops):
        assert min(part) >= 0 and max(part) < 1 and abs(sum(part) / 400 - 0.5) < 0.05
    assert abs(np.corrcoef([sizes, lefts, tops]) - np.eye(3)).max() < 0.15


def test_each_epoch_draws_other_crops_of_the_same_order():
    order = TokenOrder(1000, 100, mirror=True)
    order.num_crops = 4
    epochs = []
    for epoch in range(2):
        order.set_epoch(epoch)
        numbers, crops, flips = (torch.cat(parts) for parts in zip(*order, strict=True))
        usual = TrainOrder(1000, 100, mirror=True, epoch=epoch)
        pairs = list(zip(numbers.tolist(), flips.bool().tolist(), strict=True))
        assert pairs == [pair for batch in usual for pair in batch]
        assert crops.bincount(minlength=4).min() > 200
        assert (crops[flips == 1].double().mean() - 1.5).abs() < 0.2
        epochs.append(crops[numbers.argsort()])
    assert (epochs[0] != epochs[1]).double().mean() > 0.7


def test_a_loader_goes_on_in_the_middle_of_an_epoch(tokenizer, tmp_path, short_files):
    encode(tmp_path, tokenizer, SyntheticImages(**SMALL, mirror=True), num_crops=2)
    data = CachedTokens(str(tmp_path), batch_size=4)
    whole = [batch["ids"] for batch in data.train_dataloader()]
    loader, stream = data.train_dataloader(), []
    iterator = iter(loader)
    for _ in range(3):
        stream.append(next(iterator)["ids"])
    resumed = data.train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    stream += [batch["ids"] for batch in resumed]
    assert len(stream) == len(whole) and all(map(torch.equal, stream, whole))
    assert loader.waited > 0


def test_killed_and_started_again_the_cache_is_the_same_to_the_byte(tokenizer_checkpoint, tmp_path):
    options = ["encode", "--tokenizer", str(tokenizer_checkpoint), "--data.num_images", "9000", "--num_crops", "1"]
    broken, unbroken = tmp_path / "broken", tmp_path / "unbroken"
    command = [sys.executable, "-m", "lightgen", *options, "--out", str(broken)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(broken.glob("train-00000.*.npy")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(broken.glob("*.lock")) and not list(broken.glob("test-00000.*.npy"))
    with pytest.raises(ValueError, match="only part of a token cache"):
        TokenCache(broken)
    # Two at once go on; a third makes its own.
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert main([*options, "--out", str(unbroken)]) == 0
    for process in both:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0 and "9000 pictures" in out, err
    assert contents(broken) == contents(unbroken)
    assert len(list(broken.glob("train-0*.npy"))) == 4


def test_what_another_process_is_at_comes_last_and_is_made_if_it_dies(tokenizer, tmp_path, short_files):
    data = SyntheticImages(**SMALL)
    expected = encode(tmp_path / "alone", tokenizer, data)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / ".train-00000.0123abcd.99.npy").write_bytes(b"cut off")
    lock = FileLock(shared / "train-00000.lock", thread_local=False)
    lock.acquire()
    worker = threading.Thread(target=encode, args=(shared, tokenizer, data))
    worker.start()
    others = set(contents(tmp_path / "alone")) - {expected.files["train-00000"]}
    while not others <= set(contents(shared)):
        time.sleep(0.01)
    assert worker.is_alive() and not list(shared.glob("train-00000.*.npy"))
    lock.release()
    worker.join()
    assert contents(shared) == contents(tmp_path / "alone")


def test_a_flipped_byte_in_any_file_is_found_and_made_good(tokenizer, tmp_path, short_files):
    data = SyntheticImages(**SMALL)
    cache = encode(tmp_path, tokenizer, data)
    before = contents(tmp_path)
    for stem in ("train-00002", "train-labels", "val-00000"):
        path = tmp_path / cache.files[stem]
        damaged = bytearray(before[path.name])
        damaged[-1] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{path.name} is damaged") as caught:
            TokenCache(tmp_path).dataset(stem.split("-")[0])
        assert "\n" not in str(caught.value)
        path.unlink()
        with pytest.raises(ValueError, match=f"{path.name} is missing"):
            TokenCache(tmp_path).dataset(stem.split("-")[0])
        encode(tmp_path, tokenizer, data)
        assert contents(tmp_path) == before


def test_other_tokenizers_data_and_options_are_refused(tokenizer, tmp_path, short_files):
    encode(tmp_path, tokenizer, SyntheticImages(**SMALL))
    before = contents(tmp_path)
    with pytest.raises(ValueError, match="made with mirror False, not True"):
        encode(tmp_path, tokenizer, SyntheticImages(**SMALL, mirror=True))
    with pytest.raises(ValueError, match=r"made with data \w+, not \w+; delete"):
        encode(tmp_path, tokenizer, SyntheticImages(**{**SMALL, "num_images": 50}))
    with pytest.raises(ValueError, match="made with num_crops 0, not 2"):
        encode(tmp_path, tokenizer, SyntheticImages(**SMALL), num_crops=2)
    with pytest.raises(ValueError, match="not 3 and"):
        encode(tmp_path, tokenizer, SyntheticImages(**{**SMALL, "image_size": 32}))
    with torch.no_grad():
        next(tokenizer.parameters()).add_(1)
    with pytest.raises(ValueError, match=r"made with tokenizer \w+, not \w+; delete"):
        encode(tmp_path, tokenizer, SyntheticImages(**SMALL))
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "damaged"), ("[]", "damaged"), ("{}", "damaged"), ('{"format": 1, "files": []}', "damaged"),
     ('{"format": 9, "files": []}', "version 9")],
)  # fmt: skip
def test_a_damaged_or_foreign_header_is_one_clear_line(tmp_path, text, message):
    (tmp_path / "cache.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        CachedTokens(str(tmp_path))
    assert "\n" not in str(caught.value)


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


def test_training_from_a_cache_is_training_on_the_fly(cache, tokenizer_checkpoint, tmp_path, caplog):
    """Two epochs, with mirrors, labels, validation and averaged weights: equal to the last digit."""
    fly = fit(tmp_path / "fly", tokenizer_checkpoint)
    with caplog.at_level(logging.INFO, "lightgen"):
        logging.getLogger("lightgen").propagate = True
        cached = fit(tmp_path / "cached", tokenizer_checkpoint, "--data", "CachedTokens", "--data.cache", str(cache))
        logging.getLogger("lightgen").propagate = False
    assert len(fly["train/loss"]) == 45 and len(fly["val/loss"]) == 3
    waited = [float(share) for share in cached.pop("train/data_wait")]
    assert all(0 < share < 1 for share in waited) and len(waited) == 45
    fly.pop("train/data_wait")
    assert cached == fly
    assert f"waited for data {waited[-1]:.2%}" in caplog.text
    assert "samples are not scored against held-out ones" in caplog.text
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
    labels = data.dataset("train").labels.tolist()
    assert [data.class_names[label] for label in labels] == [n.split("/")[0] for n in data.cache.names("train")]
    cached = fit(tmp_path / "run", tokenizer_checkpoint, "--data", "CachedTokens", "--data.cache", str(folder),
                 "--model.num_classes", "2", "--trainer.max_steps", "15")  # fmt: skip
    assert len(cached["train/loss"]) == 15 and cached["val/loss"]
    prior = str(tmp_path / "run" / "last.ckpt")
    line = mistake(capsys, ["reconstruct", "--ckpt_path", prior, "--out", str(tmp_path / "out")])
    assert "does not say what pictures" in line and "--data" in line


def test_first_use_on_two_processes_then_resumed(cache, tokenizer_checkpoint, tmp_path):
    """The cache that training makes for itself is that of the command."""
    own = json.loads((cache / "cache.json").read_text())
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
    assert json.loads((tmp_path / "cache" / "cache.json").read_text()) == own
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
    contents = torch.load(tokenizer, weights_only=True)
    next(t for t in contents["state_dict"].values() if t.is_floating_point()).add_(1)
    torch.save(contents, other)
    assert "was made with tokenizer" in mistake(capsys, [*prior, str(other), "--data.cache", str(cache)])
    encoding = ["encode", "--out", str(tmp_path / "out"), "--tokenizer"]
    assert "no checkpoint at none.ckpt" in mistake(capsys, [*encoding, "none.ckpt"])
    assert "no device cuda:99" in mistake(capsys, [*encoding, tokenizer, "--device", "cuda:99"])
    assert "num_crops must be at least 0" in mistake(capsys, [*encoding, tokenizer, "--num_crops", "-1"])
    assert not (tmp_path / "out").exists()


def test_a_run_does_not_go_on_with_the_ids_of_another_tokenizer(cache):
    data = CachedTokens(str(cache))
    data.load_state_dict(data.state_dict())
    with pytest.raises(ValueError, match=r"made with tokenizer \w+, not 0123456789abcdef"):
        data.load_state_dict({"tokenizer": "0123456789abcdef"})


class Slow(Dataset):
    def __len__(self):
        return 100

    def __getitems__(self, keys):
        time.sleep(0.03)
        return keys


def test_the_share_of_time_waited_is_measured():
    loader, wait = TrainLoader(Slow(), TrainOrder(100, 20), 0), DataWait()
    for _ in loader:
        wait.on_train_batch_start()
        time.sleep(0.01)
        wait.worked += time.perf_counter() - wait.began
    assert 0.6 < wait.share(loader) < 0.85
