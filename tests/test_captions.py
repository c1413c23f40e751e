"""Captions and columns beside pictures: into batches, one caption an epoch, whatever is missing or broken."""

import json
import shutil
import warnings
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pictures import folder as picture_folder

from lightgen.cli.encode import parser
from lightgen.condition import Condition
from lightgen.conditioners import Text
from lightgen.data import CachedTokens, ImageFolder
from lightgen.data.encode import encode
from lightgen.data.token_cache import TokenCache
from lightgen.functional.text import LONGEST, to_bytes, to_texts
from lightgen.prior import Prior
from lightgen.tokenizers import PixelTokenizer

OPTIONS = {"image_size": 8, "channels": 1, "batch_size": 4, "val_fraction": 0.2, "test_fraction": 0.1}


def names(root):
    return [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.png"))]


def write(root, rows):
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    (root / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def row(name, i):
    """Three captions for one of four, one for the others; two styles; four pictures of each thing."""
    several = [f"{word} {i} ü" for word in ("a", "the", "some")]
    return {"file_name": name, "text": several if i % 4 == 0 else f"only {i} ü", "style": ("noto", "fx")[i % 2],
            "age": i / 2, "box": [i, i + 1], "codepoint": f"{i // 4:x}"}  # fmt: skip


@pytest.fixture
def root(tmp_path):
    root = picture_folder(tmp_path / "pictures", 60)
    write(root, [row(name, i) for i, name in enumerate(names(root))])
    return root


def made(root, **options):
    return ImageFolder(str(root), **OPTIONS | {"captions": "text"} | options)


def read(batches):
    """What each picture was called, by its number."""
    return {
        int(i): text
        for batch in batches
        for i, text in zip(batch["index"], to_texts(batch["condition"]["caption"].numpy()), strict=True)
    }


def epochs(source, num):
    found = []
    for epoch in range(num):
        loader = source.train_dataloader()
        loader.order.set_epoch(epoch)
        found.append(read(loader))
    return found


def test_texts_as_bytes():
    texts = ["a  fox\n", "", "ünï\0x", "\ud800"]
    rows = to_bytes(texts)
    assert rows.dtype == np.uint8 and to_texts(rows) == ["a fox", "", "ünï x", "?"]
    long = to_bytes(["x" + "ü" * 5000, "y"])
    assert long.shape == (2, LONGEST - 1) and to_texts(long) == ["x" + "ü" * ((LONGEST - 1) // 2), "y"]


def test_one_caption_an_epoch(root, tmp_path):
    data = made(root)
    seen = epochs(data, 12)
    assert seen == epochs(made(root, num_workers=2), 12)
    places = {name.removesuffix(".png"): i for i, name in enumerate(names(root))}
    numbers = [places[name] for name in data.dataset("train").names]
    counts = {"a": 0, "the": 0, "some": 0}
    for epoch in seen:
        for index, text in epoch.items():
            word, number, _ = text.split()
            assert int(number) == numbers[index] and (word in counts) == (numbers[index] % 4 == 0)
            if word in counts:
                counts[word] += 1
    assert min(counts.values()) > 0.25 * sum(counts.values())
    # Ids from a cache come with the same words, and held-out pictures with their first.
    encode(tmp_path / "cache", PixelTokenizer(8), data)
    cached = CachedTokens(str(tmp_path / "cache"), batch_size=4)
    assert epochs(cached, 12) == seen
    held_out = read(data.val_dataloader())
    assert held_out == read(cached.val_dataloader()) and {text.split()[0] for text in held_out.values()} == {
        "a",
        "only",
    }


def test_going_on_in_an_epoch_says_the_same(root):
    whole = read(made(root).train_dataloader())
    loader, resumed = made(root).train_dataloader(), made(root).train_dataloader()
    iterator = iter(loader)
    before = [next(iterator) for _ in range(3)]
    resumed.load_state_dict(loader.state_dict())
    assert read([*before, *resumed]) == whole


def test_batches_have_the_columns(root):
    data = made(root, labels="style", identity="codepoint", columns=["age", "box"])
    assert data.class_names == ["fx", "noto"]
    batch = next(iter(data.val_dataloader()))
    assert {name: (t.dtype, t.shape[1:]) for name, t in batch["condition"].items() if name != "caption"} == {
        "label": (torch.int64, ()), "age": (torch.float32, ()), "box": (torch.int64, (2,))}  # fmt: skip
    numbers = (batch["condition"]["age"] * 2).long()
    assert torch.equal(batch["condition"]["label"], 1 - numbers % 2)
    assert torch.equal(batch["condition"]["box"][:, 1], numbers + 1)
    assert data.dataset("val")[0]["hidden"]["caption"].shape == ()
    sides = {}
    for split in ("train", "val", "test"):
        for identity in data.dataset(split).names:
            assert sides.setdefault(identity, split) == split
    assert len(sides) == 15 and len(set(sides.values())) == 3
    words = made(root, columns=["style"]).collection
    assert words.words == {"style": ["fx", "noto"]} and words.conditions["style"][:2].tolist() == [1, 0]


def test_the_same_from_csv_from_a_zip_and_from_folders_of_their_own(root, tmp_path):
    one = made(root, labels="style", columns=["age"])
    archive = shutil.make_archive(str(tmp_path / "pictures"), "zip", root)
    zipped = made(archive, labels="style", columns=["age"])
    (root / "metadata.jsonl").unlink()
    for part in ("cats", "dogs"):
        with (root / part / "metadata.csv").open("w", encoding="utf-8") as file:
            file.write("file_name,style,age\n")
            for i, name in enumerate(names(root)):
                if name.startswith(part):
                    file.write(f'./{name.removeprefix(part + "/")},"{row(name, i)["style"]}",{i / 2}\n')
    for i, name in enumerate(names(root)):
        text = row(name, i)["text"]
        (root / name).with_suffix(".txt").write_text(
            "\n".join([text] if isinstance(text, str) else [*text, ""]), "utf-8"
        )
    other = made(root, labels="style", columns=["age"])
    for found in (zipped, other):
        assert found.class_names == one.class_names and found.collection.identities == one.collection.identities
        for name, column in one.collection.conditions.items():
            assert np.array_equal(found.collection.conditions[name], column), name


def test_what_is_missing_is_counted_and_hidden_and_broken_lines_are_passed_over(root):
    called = names(root)
    rows = [row(name, i) for i, name in enumerate(called)]
    rows[0]["text"], rows[1]["text"], rows[2]["style"] = [], 5, None
    lines = [*rows[:50], "{no JSON", "", "[1]", '{"text": "of nothing"}', {"file_name": "gone.png", "text": "gone"}]
    write(root, lines)
    message = (
        r"pictures: broken lines: 3 \(metadata.jsonl line 51, metadata.jsonl line 53, metadata.jsonl line 54\); "
        r"lines of no picture: 1 \(metadata.jsonl line 55\); 11 of 60 pictures have no style and are left out; "
        r"2 of 49 pictures have no caption, which is hidden for them$"
    )
    with pytest.warns(UserWarning, match=message) as said:
        data = made(root, labels="style", val_fraction=0, test_fraction=0)
        assert len(data.dataset("train")) == 49
    assert len(said) == 1
    batch = data.dataset("train").__getitems__(list(range(49)))
    missing = [called[i].removesuffix(".png") for i in (0, 1)]
    assert [
        name for name, h in zip(data.dataset("train").names, batch["hidden"]["caption"], strict=True) if h
    ] == missing
    # The network is not told: to it they are as those without a caption altogether.
    told = Prior.told(SimpleNamespace(network=SimpleNamespace(conditioner=Text())), batch)
    assert [*told.tensors] == ["caption"] and torch.equal(told.hidden["caption"], batch["hidden"]["caption"])
    assert Condition.cat([told, told.hide()]).hidden["caption"].sum() == 2 + 49


def test_captions_that_are_not_utf_8_are_counted_as_missing(root):
    (root / "metadata.jsonl").unlink()
    first, second, third, *others = names(root)
    lines = [f"{first},a café".encode("latin-1"), *(f"{name},a café".encode() for name in others)]
    (root / "metadata.csv").write_bytes(b"\n".join([b"file_name,text", *lines]))
    (root / second).with_suffix(".txt").write_bytes("a café".encode("latin-1"))
    (root / third).with_suffix(".txt").write_bytes("an old café\n".encode() + "a café".encode("latin-1"))
    with pytest.warns(UserWarning, match="2 of 60 pictures have no caption, which is hidden for them"):
        found = made(root).collection.conditions["captions"]
    assert [to_texts(row) for row in found[:4]] == [[""], [""], ["an old café"], ["a café"]]


def test_a_csv_with_broken_lines(root):
    (root / "metadata.jsonl").unlink()
    first, second, *_ = names(root)
    (root / "metadata.csv").write_text(f"file_name,text\n{first},a fox\n{second},a,b\n{second}\n{second},\n", "utf-8")
    with pytest.warns(
        UserWarning, match=r"broken lines: 2 \(metadata.csv line 3, .* 59 of 60 pictures have no caption"
    ):
        texts = to_texts(made(root).collection.conditions["captions"][:2, 0])
    assert texts == ["a fox", ""]


@pytest.mark.parametrize("change", [lambda name: name.replace("/", "\\"), lambda name: f"./other/../{name}"])
def test_names_as_others_write_them(root, change):
    write(root, [{"file_name": change(name), "text": f"fox {i}"} for i, name in enumerate(names(root))])
    assert to_texts(made(root).collection.conditions["captions"][:2, 0]) == ["fox 0", "fox 1"]


def test_metadata_that_cannot_be_read(root, tmp_path):
    write(root, [row(name, i) for i, name in enumerate(names(root))])
    archive = tmp_path / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in (*names(root), "metadata.jsonl"):
            file.write(root / name, name)
    contents = bytearray(archive.read_bytes())
    place = contents.find(b"only 1")
    contents[place : place + 4] = b"lost"
    archive.write_bytes(contents)
    with pytest.raises(ValueError, match=r"pictures\.zip/metadata\.jsonl cannot be read: Bad CRC-32 for file"):
        len(made(archive).collection.identities)


def test_no_number_is_none_there(root):
    rows = [row(name, i) for i, name in enumerate(names(root))]
    rows[3]["age"] = float("nan")
    write(root, rows)
    with pytest.warns(UserWarning, match="1 of 60 pictures have no age and are left out$"):
        assert np.isfinite(made(root, columns=["age"]).collection.conditions["age"]).all()


def test_what_stands_for_a_corrupt_picture_has_no_caption(root):
    data = made(root, val_fraction=0, test_fraction=0)
    data.collection.open, whole = (
        lambda i: whole(i) if i else (_ for _ in ()).throw(OSError("cut")),
        data.collection.open,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("lightgen.data.pictures.CORRUPT_LIMIT", 1)
            batch = data.dataset("train").__getitems__([0, 1])
    assert batch["hidden"]["caption"].tolist() == [True, False]


def test_a_fingerprint_knows_what_is_said_and_is_as_ever_without(root):
    usual = ImageFolder(str(root), **OPTIONS).fingerprint
    before = made(root).fingerprint
    assert made(root).fingerprint == before != usual
    write(root, [row(name, i) | {"text": "other"} for i, name in enumerate(names(root))])
    assert made(root).fingerprint != before and ImageFolder(str(root), **OPTIONS).fingerprint == usual


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "styl"}, r"no picture in .* has a column styl \(there are age, box, codepoint, style, text\)"),
        ({"identity": "who"}, "no picture in .* has a column who"),
        ({"captions": "txt"}, r"has a caption, be it in NAME.txt beside it, or in a column txt \(there are age, "),
        ({"columns": ["text"]}, "column text must have a number, a word, or equally many numbers for each picture"),
        ({"labels": "box"}, "column box must have a word or a number for each picture"),
        ({"columns": ["caption"]}, "columns cannot have caption"),
    ],
)
def test_mistakes(root, options, message):
    with pytest.raises(ValueError, match=message):
        len(made(root, **options).collection.identities)


def test_no_metadata_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"\(there is no line of metadata.jsonl or metadata.csv about one\)$"):
        len(made(picture_folder(tmp_path, 4)).collection.identities)
    (tmp_path / "metadata.csv").write_text("dogs/000.png,a fox\ncats/001.png,a cat\n")
    message = r"in a column text \(broken lines: 1 \(metadata.csv line 2\)\)$"
    with pytest.raises(ValueError, match=message):
        len(made(tmp_path).collection.identities)


@pytest.mark.parametrize(("given", "labels"), [("true", True), ("false", False), ("style", "style")])
def test_from_the_command_line(given, labels):
    words = ["--tokenizer", "t", "--data", "ImageFolder", "--data.root", ".", "--data.labels", given]
    more = ["--data.captions", "text", "--data.identity", "codepoint", "--data.columns", "[age, box]"]
    found = parser().parse_args([*words, *more]).data.init_args
    assert found.labels == labels and type(found.labels) is type(labels)
    assert (found.captions, found.identity, [*found.columns]) == ("text", "codepoint", ["age", "box"])


def test_a_cache_keeps_all_captions(root, tmp_path):
    cache = encode(tmp_path / "cache", PixelTokenizer(8), made(root, labels="style"))
    assert cache.header.conditions["captions"] == {"dtype": "uint8", "shape": [3, 10]}
    batch = (
        TokenCache(tmp_path / "cache").dataset("val").__getitems__((torch.arange(2),) + (torch.zeros(2).long(),) * 2)
    )
    assert batch["captions"].shape == (2, 3, 10) and set(batch["condition"]) == {"caption", "label"}
