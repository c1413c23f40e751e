"""Captions, classes and columns of Hugging Face data sets, downloaded or as a stream."""

import pytest
import torch
from pictures import picture

from lightgen.data import HuggingFaceImages
from lightgen.data.base import SPLITS
from lightgen.functional.text import to_texts

datasets = pytest.importorskip("datasets")
Value, NUM = datasets.Value, 40
FEATURES = {
    "image": datasets.Image(), "text": datasets.List(Value("string")), "one": Value("string"),
    "kind": datasets.ClassLabel(names=["z", "y", "x"]), "style": Value("string"), "age": Value("float32"),
    "box": datasets.List(Value("int32")), "code": Value("string"), "empty": Value("string"),
}  # fmt: skip
OPTIONS = {"image_size": 8, "channels": 1, "batch_size": 4, "val_fraction": 0.2, "test_fraction": 0.1}


def row(i):
    """The seventh has no caption, the ninth no kind, each four share a code."""
    return {"image": picture(i), "text": None if i == 7 else [f"a {i} ü", f"the  {i} ü"], "one": f"only {i}",
            "kind": -1 if i == 9 else i % 2, "style": ("noto", "fx")[i % 2], "age": i / 2, "box": [i, i + 1],
            "code": f"{i // 4:x}", "empty": None}  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("rows") / "set"
    rows = [row(i) for i in range(NUM)]
    columns = {name: [row[name] for row in rows] for name in FEATURES}
    datasets.Dataset.from_dict(columns, datasets.Features(FEATURES)).save_to_disk(root)
    return str(root)


def made(root, **options):
    return HuggingFaceImages(root, **OPTIONS | {"captions": "text"} | options)


def test_batches_have_what_the_data_set_says(root):
    with pytest.warns(UserWarning, match=r"set: 1 of 40 pictures have no kind and are left out; 1 of 39 pictures have "
                                         r"no caption, which is hidden for them$") as said:  # fmt: skip
        data = made(root, labels="kind", identity="code", columns=["age", "box", "style"])
        assert sum(len(data.dataset(split)) for split in SPLITS) == 39
    assert len(said) == 1 and data.class_names == ["z", "y", "x"] and data.collection.words == {"style": ["fx", "noto"]}
    sides = {}
    for split in SPLITS:
        pictures = data.dataset(split)
        batch = pictures.__getitems__(list(range(len(pictures))))
        numbers = (batch["condition"]["age"] * 2).long()
        for index, i in enumerate(numbers.tolist()):
            assert torch.equal(pictures[index]["image"], HuggingFaceImages(root, **OPTIONS)._pictures([i])[0]["image"])
            assert sides.setdefault(pictures.names[index], split) == split and pictures.names[index] == f"{i // 4:x}"
            assert to_texts(batch["captions"][index].numpy()) == (["", ""] if i == 7 else [f"a {i} ü", f"the {i} ü"])
        assert torch.equal(batch["hidden"]["caption"], numbers == 7)
        assert torch.equal(batch["condition"]["label"], numbers % 2)
        assert torch.equal(batch["condition"]["box"], torch.stack([numbers, numbers + 1], 1).to(torch.int64))
        assert torch.equal(batch["condition"]["style"], 1 - numbers % 2)
    assert len(sides) == 10 and set(sides.values()) == set(SPLITS)


@pytest.mark.filterwarnings("ignore:.* have no caption")
def test_a_fingerprint_knows_what_is_asked_for(root):
    plain = HuggingFaceImages(root, **OPTIONS).fingerprint
    assert len({plain, made(root).fingerprint, made(root, captions="one").fingerprint}) == 3
    assert made(root).fingerprint == made(root).fingerprint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"captions": "txt"}, r"the data set .*set has no column txt; there are image, text, one, "),
        ({"captions": "age"}, r"column age has no text for any picture in .*set$"),
        ({"labels": "empty"}, "column empty is empty for every picture in .*set$"),
        ({"columns": ["text"]}, "column text must have a number, a word, or equally many numbers for each picture"),
        ({"columns": ["label"]}, "columns cannot have label; labels and captions say which columns these are"),
    ],
)
def test_mistakes(root, options, message):
    with pytest.raises(ValueError, match=message):
        len(made(root, **options).collection.identities)
