"""Any named tensors travel with their pictures: through loaders, token caches old and new, resumed runs and ranks."""

import json
import zlib
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule
from pictures import contents
from pictures import folder as picture_folder

from lightgen.checkpoint import fingerprint
from lightgen.data import CachedTokens, ImageFolder, SyntheticImages
from lightgen.data.base import SPLITS
from lightgen.data.encode import encode
from lightgen.data.token_cache import TokenCache
from lightgen.data.token_dataset import plain
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import to_unit

OPTIONS = {"image_size": 8, "num_images": 60, "channels": 1, "mirror": True, "val_fraction": 0.2, "test_fraction": 0.1,
           "batch_size": 4}  # fmt: skip
NAMES = ("label", "labels", "text", "text_mask")


class Described(SyntheticImages):
    """Shapes with more than their class: `more` are columns in place of those that are usual here."""

    def __init__(self, more=None, **options):
        super().__init__(**OPTIONS | options)
        self.more = more

    def collect(self):
        found, random = super().collect(), np.random.default_rng(0)
        usual = {
            "labels": random.integers(0, 2, (60, 5), dtype=np.uint8),
            "text": random.normal(size=(60, 3, 4)).astype(np.float32),
            "text_mask": random.random((60, 3)) < 0.5,
        }
        found.conditions = {**found.conditions, **(usual if self.more is None else self.more)}
        return found


def expected(data, split, index):
    """The rows of the pictures, found by what they are called."""
    numbers = [int(data.dataset(split).names[i].removeprefix("shape-")) for i in index]
    return {name: torch.tensor(column[numbers]) for name, column in data.collection.conditions.items()}


def same(condition, other):
    assert condition.keys() == other.keys()
    for name, tensor in condition.items():
        assert tensor.dtype == other[name].dtype and torch.equal(tensor, other[name]), name


@pytest.mark.parametrize("num_workers", [0, 2])
def test_through_the_loaders_of_pictures(num_workers):
    data = Described(num_workers=num_workers)
    loaders = (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
    for split, loader in zip(SPLITS, loaders, strict=True):
        batches = list(loader)
        assert batches and all(set(batch["condition"]) == set(NAMES) for batch in batches)
        for batch in batches:
            same(batch["condition"], expected(data, split, batch["index"]))
    one = data.dataset("val")[2]
    assert one["condition"]["text"].shape == (3, 4) and one["condition"]["label"].ndim == 0
    everything = data.dataset("train").condition()
    same(everything, expected(data, "train", range(len(data.dataset("train")))))


def test_memory_mapped_columns_are_like_others(tmp_path):
    np.save(tmp_path / "text.npy", np.random.default_rng(2).normal(size=(60, 3, 4)))
    mapped, loaded = (Described({"text": np.load(tmp_path / "text.npy", mode)}) for mode in ("r", None))
    same(mapped.dataset("train").condition([5, 2]), loaded.dataset("train").condition([5, 2]))
    for name, data in (("mapped", mapped), ("loaded", loaded)):
        encode(tmp_path / name, PixelTokenizer(8), data)
    assert contents(tmp_path / "mapped") == contents(tmp_path / "loaded")


def test_through_a_cache_with_crops_and_mirrored_views(tmp_path, short_files):
    data = Described()
    cache = encode(tmp_path, PixelTokenizer(8), data, num_crops=3)
    assert cache.header.conditions == {
        "label": {"dtype": "int64", "shape": []},
        "labels": {"dtype": "uint8", "shape": [5]},
        "text": {"dtype": "float32", "shape": [3, 4]},
        "text_mask": {"dtype": "bool", "shape": [3]},
    }
    for split in SPLITS:
        dataset = cache.dataset(split)
        assert all(isinstance(column.base, np.memmap) for column in dataset.conditions.values())
        mixed = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(1))
        crops, flips = cache.header.views(split)
        for crop, flip in np.ndindex(crops, flips):
            batch = dataset.__getitems__((mixed, torch.full_like(mixed, crop), torch.full_like(mixed, flip)))
            same(batch["condition"], expected(data, split, mixed))
        stored = np.load(next(tmp_path.glob(f"{split}-condition-text.*.npy")))
        assert stored.shape == (len(dataset), 3, 4) and stored.dtype == np.float32


def test_a_cache_that_lacks_conditions_is_completed_to_the_byte(tmp_path, short_files):
    encode(tmp_path, PixelTokenizer(8), Described())
    before = contents(tmp_path)
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-1])):
        for name in NAMES:
            (path,) = tmp_path.glob(f"train-condition-{name}.*.npy")
            damage(path)
            with pytest.raises(ValueError, match=f"{path.name} is (missing|damaged)"):
                TokenCache(tmp_path).dataset("train")
            path.unlink(missing_ok=True)
            encode(tmp_path, PixelTokenizer(8), Described())
            assert contents(tmp_path) == before


@pytest.mark.parametrize("cached", [False, True])
def test_loaders_that_go_on_in_an_epoch(tmp_path, cached):
    data = Described()
    if cached:
        encode(tmp_path, PixelTokenizer(8), data, num_crops=2)
    source = CachedTokens(str(tmp_path), batch_size=4) if cached else data
    whole = [batch["condition"] for batch in source.train_dataloader()]
    loader, resumed = source.train_dataloader(), source.train_dataloader()
    iterator = iter(loader)
    stream = [next(iterator)["condition"] for _ in range(5)]
    resumed.load_state_dict(loader.state_dict())
    stream += [batch["condition"] for batch in resumed]
    assert len(stream) == len(whole) > 5
    for found, wanted in zip(stream, whole, strict=True):
        same(found, wanted)


@pytest.mark.parametrize("cached", [False, True])
def test_two_ranks_share_the_rows_of_one(tmp_path, cached):
    data = Described()
    if cached:
        encode(tmp_path, PixelTokenizer(8), data)

    def loaded(rank, world_size, batch_size):
        options = {"batch_size": batch_size}
        source = CachedTokens(str(tmp_path), **options) if cached else Described(**options)
        source.trainer = SimpleNamespace(global_rank=rank, world_size=world_size)
        return list(source.train_dataloader()), list(source.val_dataloader())

    (train, val), ranks = loaded(0, 1, 8), [loaded(rank, 2, 4) for rank in (0, 1)]
    for batch, *shares in zip(train, ranks[0][0], ranks[1][0], strict=True):
        parts = [share["condition"] for share in shares]
        same(batch["condition"], {name: torch.cat([part[name] for part in parts]) for name in NAMES})
    held_out = [batch for _, batches in ranks for batch in batches]
    assert sorted(i for batch in held_out for i in batch["index"].tolist()) == list(range(len(data.dataset("val"))))
    for batch in (*held_out, *val):
        same(batch["condition"], expected(data, "val", batch["index"]))


def test_lightning_moves_them_to_the_device():
    batch = next(iter(Described().train_dataloader()))
    moved = LightningModule().transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert {tensor.device.type for tensor in moved["condition"].values()} == {"meta"}


def test_data_without_conditions_have_none(tmp_path):
    data = ImageFolder(str(picture_folder(tmp_path / "pictures")), image_size=8, channels=1, batch_size=4)
    cache = encode(tmp_path / "cache", PixelTokenizer(8), data)
    assert cache.header.conditions == {} and not list((tmp_path / "cache").glob("*condition*"))
    for source in (data, CachedTokens(str(tmp_path / "cache"))):
        assert next(iter(source.train_dataloader()))["condition"] == {}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"text": np.zeros((59, 3))}, r"condition text must have a row for each of 60 pictures, not shape \(59, 3\)"),
        ({"text": np.zeros(())}, r"condition text must have a row for each of 60 pictures, not shape \(\)"),
        ({"text": np.full(60, "a red shape")}, "condition text must be of native numbers, not <U11"),
        ({"text": np.zeros(60, ">f4")}, "condition text must be of native numbers, not >f4"),
        ({"text-mask": np.zeros(60)}, "the name of a condition must be an identifier, not 'text-mask'"),
        ({"label": np.zeros((60, 1), np.int64)}, r"condition label must be \(60,\) int64, not \(60, 1\) int64"),
        ({"label": np.zeros(60)}, r"condition label must be \(60,\) int64, not \(60,\) float64"),
    ],
)
def test_columns_that_cannot_travel_are_refused(more, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Described(more).dataset("train")


def test_a_cache_with_other_conditions_is_refused(tmp_path):
    encode(tmp_path, PixelTokenizer(8), Described())
    before = contents(tmp_path)
    for more in ({}, {"text": np.zeros((60, 3, 5), np.float32)}, {"text": np.zeros((60, 3, 4))}):
        with pytest.raises(ValueError, match=r"^the token cache .* was made with conditions .*, not .*; delete it"):
            encode(tmp_path, PixelTokenizer(8), Described(more))
    assert contents(tmp_path) == before


def old_cache(folder, data, without=()):
    """A cache of format 1 by hand, of eight grey levels by eight; complete, or without some files."""
    files = []

    def write(stem, value, suffix=".npy"):
        file = BytesIO()
        np.save(file, value) if suffix == ".npy" else file.write(json.dumps(value, indent=0).encode())
        files.append(f"{stem}.{zlib.crc32(file.getvalue()):08x}{suffix}")
        if stem not in without:
            (folder / files[-1]).write_bytes(file.getvalue())

    folder.mkdir()
    for split in SPLITS:
        pictures = data.dataset(split)
        write(f"{split}-names", pictures.names, ".json")
        write(f"{split}-labels", np.array([int(name.removeprefix("shape-")) % 3 for name in pictures.names]))
        images = to_unit(pictures.images())
        views = [images, images.flip(-1)] if split == "train" else [images]
        ids = np.stack([PixelTokenizer(8).encode(view).numpy() for view in views], 1)
        write(f"{split}-00000", ids[:, None].astype(np.uint16))
    header = {
        "format": 1, "tokenizer": fingerprint(PixelTokenizer(8)), "data": data.fingerprint, "num_crops": 0,
        "mirror": True, "vocab_size": 256, "shape": [8, 8], "seed": 0,
        "counts": {split: len(data.dataset(split)) for split in SPLITS}, "labels": True,
        "class_names": ["ellipse", "rectangle", "triangle"], "rows": 2048, "files": [] if without else files,
    }  # fmt: skip
    (folder / "cache.json").write_text(json.dumps(header, indent=1) + "\n")


def batches(cache):
    for split in SPLITS:
        dataset = cache.dataset(split)
        yield dataset.__getitems__(plain(torch.arange(len(dataset))))


def assert_reads_like(cache, other):
    assert cache.header == other.header
    for found, wanted in zip(batches(cache), batches(other), strict=True):
        assert torch.equal(found["ids"], wanted["ids"])
        same(found["condition"], wanted["condition"])


def test_an_old_cache_is_read_and_left_as_it_is(tmp_path):
    data, new = SyntheticImages(**OPTIONS), tmp_path / "new"
    old_cache(tmp_path / "old", data)
    before = contents(tmp_path / "old")
    assert_reads_like(TokenCache(tmp_path / "old"), encode(new, PixelTokenizer(8), data))
    encode(tmp_path / "old", PixelTokenizer(8), data)
    assert contents(tmp_path / "old") == before
    loaded = next(iter(CachedTokens(str(tmp_path / "old"), batch_size=4).train_dataloader()))
    same(loaded["condition"], expected(data, "train", loaded["index"]))
    # What the files hold has not changed, but for the names of those of the labels and the header.
    renamed = {name.replace("-labels", "-condition-label"): held for name, held in before.items()}
    assert {**renamed, "cache.json": b""} == {**contents(new), "cache.json": b""}


@pytest.mark.parametrize("missing", ["val-labels", "train-00000"])
def test_part_of_an_old_cache_is_completed(tmp_path, missing):
    data = SyntheticImages(**OPTIONS)
    old_cache(tmp_path / "old", data, without=[missing])
    before = contents(tmp_path / "old")
    with pytest.raises(ValueError, match="only part of a token cache"):
        TokenCache(tmp_path / "old")
    completed = encode(tmp_path / "old", PixelTokenizer(8), data)
    assert_reads_like(completed, encode(tmp_path / "new", PixelTokenizer(8), data))
    after = contents(tmp_path / "old")
    assert {name: after[name] for name in before if name != "cache.json"} == {
        name: held for name, held in before.items() if name != "cache.json"
    }
    assert len(after) == len(before) + 1 and json.loads(after["cache.json"])["format"] == 3


def test_an_old_cache_without_labels_has_no_conditions(tmp_path):
    old_cache(tmp_path / "old", SyntheticImages(**OPTIONS))
    path = tmp_path / "old" / "cache.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "labels": False}))
    assert next(batches(TokenCache(tmp_path / "old")))["condition"] == {}
