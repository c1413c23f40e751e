"""Data: where pictures come from, how they are split, ordered and resized, and what happens to bad ones."""

import gzip
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import folder, idx, picture
from PIL import Image

from lightgen.data import Emoji, HuggingFaceImages, IDXImages, ImageFolder, SyntheticImages, loader
from lightgen.data.base import SPLITS
from lightgen.data.encode import encode
from lightgen.data.loader import TrainLoader
from lightgen.data.order import TrainOrder
from lightgen.data.pictures import to_tensor
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import to_uint8, to_unit


def test_every_8_bit_value_survives_the_way_in_and_out():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_unit(values)), values)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]
    assert to_uint8(to_unit(values) + 0.9 / 255).tolist() == values.tolist()


def test_folder_finds_nested_files_of_all_kinds(tmp_path):
    data = ImageFolder(str(folder(tmp_path, 40, (".png", ".jpg", ".webp", ".JPEG"))), labels=True, image_size=16)
    counts = {split: len(data.dataset(split)) for split in SPLITS}
    assert sum(counts.values()) == 40 and counts["train"] > 30
    assert data.class_names == ["cats", "dogs"]
    batch = data.dataset("train").__getitems__([0, 1, 2])
    assert batch["image"].dtype == torch.uint8 and batch["image"].shape == (3, 3, 16, 16)
    for number in range(len(data.dataset("train"))):
        row = data.dataset("train").rows[number]
        expected = data.class_names.index(data.collection.identities[row].split("/")[0])
        assert data.dataset("train")[number]["condition"]["label"] == expected


def test_zip_gives_the_same_pictures_as_the_folder(tmp_path):
    root = folder(tmp_path / "pictures")
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, path.relative_to(root))
    a, b = (ImageFolder(str(p), image_size=16) for p in (root, tmp_path / "pictures.zip"))
    assert a.fingerprint == b.fingerprint
    assert torch.equal(a.dataset("train").images(), b.dataset("train").images())


def test_hidden_files_of_a_zip_are_no_pictures(tmp_path):
    root = folder(tmp_path / "pictures", 20)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            name = path.relative_to(root)
            archive.write(path, name)
            archive.writestr(f"__MACOSX/{name.parent}/._{name.name}", b"no picture")
    data = ImageFolder(str(tmp_path / "pictures.zip"), image_size=16, labels=True)
    assert len(data.collection.identities) == 20 and data.class_names == ["cats", "dogs"]


def test_worker_processes_read_the_same_from_a_zip(tmp_path):
    root = folder(tmp_path / "pictures", 40)
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in sorted(root.rglob("*.png")):
            archive.write(path, path.relative_to(root))
    batches = []
    for num_workers in (0, 2):
        data = ImageFolder(str(tmp_path / "pictures.zip"), image_size=16, batch_size=4, num_workers=num_workers)
        # The main process has the file open before the others begin.
        data.dataset("train").images()
        batches.append(torch.cat([batch["image"] for batch in data.train_dataloader()]))
    assert torch.equal(*batches)


def test_the_limit_of_corrupt_pictures_is_that_of_the_whole_set(tmp_path):
    """Or a single one would end a run at its first validation, on less than a hundred pictures."""
    root = folder(tmp_path, 200)
    data = ImageFolder(str(root), image_size=16, val_fraction=0.05, test_fraction=0)
    rows = data.dataset("val").rows
    assert 0 < len(rows) < 100
    broken = root / f"{data.collection.identities[rows[0]]}.png"
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.warns(UserWarning, match="1 of 200 pictures are corrupt"):
        assert data.dataset("val").images().shape[0] == len(rows)


def test_what_is_corrupt_in_other_ways_is_skipped_too(tmp_path, monkeypatch):
    root = folder(tmp_path / "folder", 300)
    archive = Path(shutil.make_archive(str(tmp_path / "pictures"), "zip", root))
    content = bytearray(archive.read_bytes())
    with zipfile.ZipFile(archive) as file:
        info = file.getinfo("cats/001.png")
    content[info.header_offset + 30 + len("cats/001.png") + 60] ^= 255
    archive.write_bytes(content)
    with pytest.warns(UserWarning, match=r"1 of 300 .* left out: .*/pictures.zip/cats/001.png"):
        assert len(ImageFolder(str(archive), image_size=16).dataset("train").images()) > 200
    picture(0, (100, 100)).save(root / "cats" / "003.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 4000)
    with pytest.warns(UserWarning, match="left out: .*cats/003.png"):
        assert len(ImageFolder(str(root), image_size=16).dataset("train").images()) > 200


def test_going_on_in_an_epoch_with_another_batch_is_said(monkeypatch):
    said = []
    monkeypatch.setattr(loader.log, "warning", said.append)
    data = SyntheticImages(16, 40)
    loaders = [TrainLoader(data.dataset("train"), TrainOrder(36, size), 0) for size in (4, 8, 4)]
    next(iter(loaders[0]))
    for other in loaders[1:]:
        other.load_state_dict(loaders[0].state_dict())
    assert len(said) == 1 and "were 4 pictures and are 8 now" in said[0]


def test_a_corrupt_picture_is_replaced_by_one_of_its_class(tmp_path):
    root = folder(tmp_path, 200)
    # Its header is whole, so that it is found out only when it is read.
    last_cat = root / "cats" / "199.png"
    last_cat.write_bytes(last_cat.read_bytes()[:60])
    pictures = ImageFolder(str(root), image_size=16, labels=True, val_fraction=0, test_fraction=0).dataset("train")
    with pytest.warns(UserWarning, match="left out: .*cats/199.png"):
        found = pictures[99]
    assert found["condition"]["label"] == pictures[0]["condition"]["label"] == 0
    assert torch.equal(found["image"], pictures[0]["image"])


@pytest.mark.parametrize("kind", ["folder", "idx", "rows"])
def test_fingerprint_knows_the_pictures(kind, tmp_path):
    """Also where other pictures have the same names."""

    def made(where, seed):
        random = np.random.default_rng(seed).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
        where.mkdir()
        if kind == "folder":
            for i, pixels in enumerate(random):
                Image.fromarray(pixels).save(where / f"{i}.jpg")
            return ImageFolder(str(where), image_size=8)
        if kind == "idx":
            idx(where, seed=seed)
            return IDXImages(str(where), image_size=8)
        datasets = pytest.importorskip("datasets")
        datasets.Dataset.from_dict({"image": [p.tobytes() for p in random]}).save_to_disk(where / "rows")
        return HuggingFaceImages(str(where / "rows"), image_size=8)

    one, other = made(tmp_path / "one", 0), made(tmp_path / "other", 1)
    assert one.fingerprint != other.fingerprint
    again = type(one)(str(one.path if kind == "rows" else one.root), image_size=8)
    assert again.fingerprint == one.fingerprint


def test_emoji_go_to_worker_processes_that_are_spawned():
    data = Emoji(image_size=16)
    pictures = pickle.loads(pickle.dumps(data.dataset("val")))
    assert torch.equal(pictures[0]["image"], data.dataset("val")[0]["image"])


def test_splits_do_not_overlap_and_do_not_change_when_pictures_are_added(tmp_path):
    names = []
    for num in (60, 90):
        data = ImageFolder(str(folder(tmp_path, num)), image_size=16, val_fraction=0.2, test_fraction=0.2)
        names.append({s: {data.collection.identities[i] for i in data.dataset(s).rows} for s in SPLITS})
    before, after = names
    assert set().union(*after.values()) == set(data.collection.identities)
    assert sum(map(len, after.values())) == 90
    for split in SPLITS:
        assert before[split] <= after[split]
    other = ImageFolder(str(tmp_path), image_size=16, val_fraction=0.2, test_fraction=0.2, seed=1)
    assert {other.collection.identities[i] for i in other.dataset("val").rows} != after["val"]


def test_a_file_and_its_copy_in_another_format_have_one_identity(tmp_path):
    folder(tmp_path, 40)
    for path in list(tmp_path.rglob("*.png")):
        Image.open(path).save(path.with_suffix(".webp"))
    data = ImageFolder(str(tmp_path), image_size=16, val_fraction=0.3)
    train, val = ({data.collection.identities[i] for i in data.dataset(s).rows} for s in ("train", "val"))
    assert len(data.dataset("train")) + len(data.dataset("val")) + len(data.dataset("test")) == 80
    assert not train & val


def test_fingerprint_knows_the_filter_and_the_size(tmp_path):
    root = str(folder(tmp_path))
    prints = {
        ImageFolder(root, image_size=16).fingerprint,
        ImageFolder(root, image_size=16, resize="box").fingerprint,
        ImageFolder(root, image_size=(16, 8)).fingerprint,
        ImageFolder(root, image_size=16, seed=1).fingerprint,
    }
    assert len(prints) == 4


def test_resize_covers_crops_and_is_antialiased():
    stripes = np.zeros((64, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    out = to_tensor(Image.fromarray(stripes), (16, 16), 3, "lanczos").float()
    assert out.shape == (3, 16, 16)
    assert ((out - 127.5).abs() < 10).all()
    colours = Image.new("RGB", (30, 10), "red")
    colours.paste("blue", (10, 0, 20, 10))
    assert (to_tensor(colours, (10, 10), 3, "box")[2] == 255).all()


def test_transparent_becomes_white_and_grey_stays_grey():
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    assert (to_tensor(clear, (8, 8), 3, "lanczos") == 255).all()
    assert to_tensor(Image.new("L", (8, 8), 77), (8, 8), 1, "lanczos").unique().tolist() == [77]


def test_corrupt_files_are_named_skipped_and_refused_when_many(tmp_path):
    folder(tmp_path, 300)
    (tmp_path / "cats" / "001.png").write_bytes(b"not a picture")
    cut = tmp_path / "cats" / "003.png"
    cut.write_bytes(cut.read_bytes()[:-60])
    data = ImageFolder(str(tmp_path), image_size=16, val_fraction=0.0, test_fraction=0.0)
    with pytest.warns(UserWarning, match=r"1 of 300 .* left out: .*cats/001.png"):
        assert len(data.dataset("train")) == 299
    with pytest.warns(UserWarning, match=r"1 of 299 .* left out: .*cats/003.png \(.+\)"):
        assert data.dataset("train").images().shape == (299, 3, 16, 16)
    for i in range(5, 15, 2):
        (tmp_path / "cats" / f"{i:03d}.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"6 of 300 pictures are corrupt, more than 1 %: .*cats/001.png"):
        ImageFolder(str(tmp_path), image_size=16).dataset("train")


@pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="Pillow before 11.3 has no AVIF")
@pytest.mark.parametrize("broken", [(b"av01Color", b"xv01Color"), (b"mdat", None)], ids=["header", "content"])
def test_a_damaged_avif_under_another_name_is_left_out(tmp_path, broken):
    """Of its two kinds of damage, Pillow finds one when the file is opened and one when it is read."""
    folder(tmp_path, 200)
    path = tmp_path / "cats" / "001.png"
    picture(0).save(path.with_suffix(".avif"))
    content, (mark, other) = path.with_suffix(".avif").read_bytes(), broken
    at = content.index(mark) + len(mark)
    path.write_bytes(content.replace(mark, other) if other else content[:at] + bytes(len(content) - at))
    with pytest.raises(RuntimeError):
        Image.open(path).load()
    with pytest.warns(UserWarning, match=r"1 of 200 pictures are corrupt and left out: .*/cats/001.png"):
        ImageFolder(str(tmp_path), image_size=16, val_fraction=0.0, test_fraction=0.0).dataset("train").images()


def test_damage_is_told_in_one_line(tmp_path, recwarn):
    folder(tmp_path, 1200)
    for i in range(1, 9, 2):
        (tmp_path / "cats" / f"{i:03d}.png").write_bytes(b"")
    for i in range(11, 23, 2):
        path = tmp_path / "cats" / f"{i:03d}.png"
        path.write_bytes(path.read_bytes()[:60])
    data = ImageFolder(str(tmp_path), image_size=16, val_fraction=0.0, test_fraction=0.0)
    data.dataset("train").images()
    header, content = (text for text in map(str, (w.message for w in recwarn)) if "pictures are corrupt" in text)
    names = ", ".join(str(tmp_path / "cats" / f"00{i}.png") for i in (1, 3, 5))
    assert header == f"4 of 1200 pictures are corrupt and left out: {names} ..."
    assert content.startswith(f"1 of 1196 pictures are corrupt and left out: {tmp_path}/cats/011.png (")


def test_a_file_name_that_is_no_text_is_read(tmp_path):
    folder(tmp_path, 40)
    (tmp_path / "cats" / "001.png").rename(tmp_path / "cats" / os.fsdecode(b"caf\xe9.png"))
    data = ImageFolder(str(tmp_path), image_size=16, labels=True, val_fraction=0.0, test_fraction=0.0)
    assert len(data.dataset("train").images()) == 40 and data.fingerprint
    cache = encode(tmp_path / "cache", PixelTokenizer(16), ImageFolder(str(tmp_path), channels=1, image_size=16))
    assert sum(any("caf" in name for name in cache.names(split)) for split in SPLITS) == 1


def test_links_to_folders_are_followed_once(tmp_path):
    elsewhere = folder(tmp_path / "elsewhere", 20)
    root = tmp_path / "root"
    shutil.copytree(elsewhere / "dogs", root / "dogs")
    alone = ImageFolder(str(root), image_size=16).fingerprint
    (root / "dogs" / "loop").symlink_to(root)
    (root / "dogs" / "up").symlink_to("..")
    (root / "dogs" / "above").symlink_to(tmp_path)
    (root / "again").symlink_to(root / "dogs")
    (root / "nowhere").symlink_to(tmp_path / "nothing")
    assert ImageFolder(str(root), image_size=16).fingerprint == alone
    (root / "cats").symlink_to(elsewhere / "cats")
    (elsewhere / "cats" / "back").symlink_to(elsewhere / "cats")
    (elsewhere / "cats" / "to dogs").symlink_to(root / "dogs")
    data = ImageFolder(str(root), image_size=16, labels=True, val_fraction=0.0, test_fraction=0.0)
    assert len(data.dataset("train").images()) == 20 and data.class_names == ["cats", "dogs"]
    linked = tmp_path / "linked"
    linked.symlink_to(root)
    assert ImageFolder(str(linked), image_size=16).collection.identities == data.collection.identities


@pytest.mark.parametrize("kind", ["missing", "empty", "text"])
def test_no_pictures_is_one_clear_line(tmp_path, kind):
    root = tmp_path / kind
    if kind == "empty":
        root.mkdir()
    if kind == "text":
        root.write_text("hello")
    with pytest.raises(ValueError, match=f"{kind}.*$") as caught:
        ImageFolder(str(root)).dataset("train")
    assert "\n" not in str(caught.value)


def test_labels_need_subfolders(tmp_path):
    picture(0).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="subfolder for each class"):
        ImageFolder(str(tmp_path), labels=True).dataset("train")


@pytest.mark.parametrize("zipped", [False, True])
def test_idx(tmp_path, zipped):
    root = idx(tmp_path)
    if zipped:
        for path in list(root.iterdir()):
            Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    data = IDXImages(str(root), val_fraction=0.2)
    assert len(data.dataset("test")) == 10
    assert len(data.dataset("train")) + len(data.dataset("val")) == 30
    assert data.dataset("test").images().shape == (10, 1, 28, 28)
    assert data.dataset("test")[3]["condition"]["label"] == 3
    (root / ("train-images-idx3-ubyte" + ".gz" * zipped)).unlink()
    with pytest.raises(ValueError, match="dataset-fashion-mnist"):
        IDXImages(str(root)).dataset("train")


def test_cut_off_idx(tmp_path):
    path = idx(tmp_path) / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="cut off"):
        IDXImages(str(tmp_path)).dataset("train")


def test_hugging_face(tmp_path):
    datasets = pytest.importorskip("datasets")
    rows = {"image": [picture(i) for i in range(20)], "label": [i % 2 for i in range(20)]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])})
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "set")
    data = HuggingFaceImages(str(tmp_path / "set"), labels="label", image_size=16, val_fraction=0.2)
    assert sum(len(data.dataset(s)) for s in SPLITS) == 20
    assert data.class_names == ["a", "b"]
    first = data.dataset("train").rows[0]
    expected = to_tensor(picture(first), (16, 16), 3, "lanczos")
    assert torch.equal(data.dataset("train")[0]["image"], expected)
    assert data.dataset("train")[0]["condition"]["label"] == first % 2
    with pytest.raises(ValueError, match="no column picture"):
        HuggingFaceImages(str(tmp_path / "set"), image_column="picture").dataset("train")


def test_emoji():
    data = Emoji()
    train, val = data.dataset("train"), data.dataset("val")
    assert len(train) > 3000 and len(val) > 300
    identities = data.collection.identities
    assert not {identities[i] for i in train.rows} & {identities[i] for i in val.rows}
    assert len(data.class_names) == 9
    captions = dict(zip(data.captions, data.collection.conditions["label"], strict=True))
    assert data.class_names[captions["grinning face"]] == "Smileys & Emotion"
    assert data.class_names[captions["red apple"]] == "Food & Drink"
    assert val.images(5).shape == (5, 3, 64, 64)


def test_emoji_variants_stay_on_one_side():
    data = Emoji(skin_tones=True)
    sides = {}
    for split in SPLITS:
        for i in data.dataset(split).rows:
            sides.setdefault(data.collection.identities[i], set()).add(split)
    assert all(len(side) == 1 for side in sides.values())
    names = {c: data.collection.identities[i] for i, c in enumerate(data.captions)}
    assert names["waving hand"] == names["waving hand dark skin tone"]
    assert names["man cook"] == names["woman cook"]


def test_synthetic_pictures_are_the_same_everywhere():
    a, b = SyntheticImages(num_images=30), SyntheticImages(num_images=30)
    assert torch.equal(a.dataset("train").images(), b.dataset("train").images())
    assert a.dataset("train").images().float().std() > 20


def test_order_shows_every_picture_once_and_mirrors_half():
    order = TrainOrder(100, 10, mirror=True)
    seen = [pair for batch in order for pair in batch]
    assert sorted(n for n, _ in seen) == list(range(100))
    assert 30 < sum(m for _, m in seen) < 70
    order.set_epoch(1)
    again = [pair for batch in order for pair in batch]
    assert again != seen and sorted(n for n, _ in again) == list(range(100))
    assert not any(m for batch in TrainOrder(100, 10) for _, m in batch)


def test_ranks_divide_each_batch():
    whole = [sorted(batch) for batch in TrainOrder(96, 8)]
    parts = [list(TrainOrder(96, 4, rank=rank, world_size=2)) for rank in range(2)]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == whole


def test_loader_goes_on_in_the_middle_of_an_epoch():
    data = SyntheticImages(num_images=100, batch_size=8)
    whole = [batch["index"].tolist() for batch in data.train_dataloader()]
    loader, stream = data.train_dataloader(), []
    iterator = iter(loader)
    for _ in range(4):
        stream.append(next(iterator)["index"].tolist())
    resumed = data.train_dataloader()
    resumed.load_state_dict(loader.state_dict())
    stream += [batch["index"].tolist() for batch in resumed]
    assert stream == whole


def test_too_few_pictures_for_a_batch():
    with pytest.raises(ValueError, match="too few for a batch of 64"):
        SyntheticImages(num_images=20, batch_size=64).train_dataloader()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resize": "nearest"}, "resize must be one of"),
        ({"channels": 4}, "channels must be 1 or 3"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"val_fraction": 0.6, "test_fraction": 0.4}, "leave something to train on"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        SyntheticImages(**arguments)


def test_a_file_that_only_looks_like_a_zip(tmp_path):
    shutil.copyfile(__file__, tmp_path / "a.zip")
    with pytest.raises(ValueError, match=r"neither a folder nor a \.zip"):
        ImageFolder(str(tmp_path / "a.zip")).dataset("train")
