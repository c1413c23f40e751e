"""Token caches: the same ids as on the fly, whole or refused, whoever made them and however often they were killed."""

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
from pictures import contents
from pictures import folder as picture_folder
from PIL import Image

from lightgen.checkpoint import load_tokenizer
from lightgen.cli.main import main
from lightgen.data import CachedTokens, ImageFolder, SyntheticImages
from lightgen.data.base import SPLITS
from lightgen.data.encode import encode
from lightgen.data.order import TrainOrder
from lightgen.data.pictures import to_tensor
from lightgen.data.token_cache import TokenCache
from lightgen.data.token_dataset import plain
from lightgen.data.tokens import TokenOrder
from lightgen.functional.splits import window
from lightgen.layout import Layout
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import to_unit

SMALL = {"image_size": 16, "num_images": 60, "val_fraction": 0.2, "test_fraction": 0.1}


@pytest.fixture
def tokenizer(tokenizer_checkpoint):
    return load_tokenizer(str(tokenizer_checkpoint))


def everything(dataset):
    return plain(torch.arange(len(dataset)))


class ManyCodes(PixelTokenizer):
    """Three ids at every position, of a codebook too large for 16 bits."""

    def __init__(self, image_size):
        super().__init__(image_size)
        self.layout = Layout(self.image_size, 70_000, num_codes=3)

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
        assert torch.equal(batch["condition"]["label"], pictures.condition()["label"])
        assert torch.equal(batch["index"], numbers)
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


def test_what_is_encoded_is_not_kept_in_memory(tokenizer, tmp_path):
    data = SyntheticImages(**SMALL)
    data.dataset("val").images()
    encode(tmp_path, tokenizer, data)
    assert not data.dataset("train").kept and data.dataset("val").kept


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
    for stem in ("train-00002", "train-condition-label", "val-00000"):
        path = tmp_path / cache.files[stem]
        damaged = bytearray(before[path.name])
        damaged[-1] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{path.name} is damaged") as caught:
            TokenCache(tmp_path).dataset(stem.split("-")[0])
        assert "\n" not in str(caught.value)
        encode(tmp_path, tokenizer, data)
        assert contents(tmp_path) == before
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
    with pytest.raises(ValueError, match=r"made from SyntheticImages when that held other pictures; delete"):
        encode(tmp_path, tokenizer, SyntheticImages(**{**SMALL, "num_images": 50}))
    with pytest.raises(ValueError, match=r"made from SyntheticImages with val_fraction 0\.2, not 0.3; delete"):
        encode(tmp_path, tokenizer, SyntheticImages(**{**SMALL, "val_fraction": 0.3}))
    with pytest.raises(ValueError, match=f"made from SyntheticImages, not from ImageFolder {tmp_path}/own; delete"):
        encode(tmp_path, tokenizer, ImageFolder(str(picture_folder(tmp_path / "own")), image_size=16))
    shutil.rmtree(tmp_path / "own")
    with pytest.raises(ValueError, match="made with num_crops 0, not 2"):
        encode(tmp_path, tokenizer, SyntheticImages(**SMALL), num_crops=2)
    with pytest.raises(ValueError, match="is for pictures of 16x16, but the data give 32x32"):
        encode(tmp_path, tokenizer, SyntheticImages(**{**SMALL, "image_size": 32}))
    with torch.no_grad():
        next(tokenizer.parameters()).add_(1)
    with pytest.raises(ValueError, match="made by another tokenizer; delete"):
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
