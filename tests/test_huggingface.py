"""Captions, classes and columns of Hugging Face data sets, downloaded or as a stream."""

import itertools

import pytest
import torch
from pictures import picture

from lightgen.cli.main import main
from lightgen.data import HuggingFaceImages, HuggingFaceStream
from lightgen.data.base import SPLITS
from lightgen.data.stream import StreamLoader
from lightgen.functional.pictures import to_tensor
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


SEED = 1
"""With which the seventh is not held out."""


def stream(root, **options):
    return HuggingFaceStream(root, **OPTIONS | {"captions": "text", "labels": "kind", "columns": ["age"]} | options)


def numbers(batch):
    return (batch["condition"]["age"] * 2).long().tolist()


@pytest.mark.filterwarnings("ignore:.* pictures so far have no")
def test_a_stream_has_the_rows_again_and_again(root):
    data = stream(root, mirror=True, seed=SEED)
    held_out = {i for split in ("val", "test") for i in numbers(whole_split(data, split))}
    assert data.class_names == ["z", "y", "x"] and 4 <= len(held_out) <= 16
    train = {*range(NUM)} - held_out - {9}
    per_turn = len(train) // 4
    batches = list(itertools.islice(data.train_dataloader(), 30))
    turns = [[i for batch in batches[k : k + per_turn] for i in numbers(batch)] for k in (0, per_turn)]
    texts, seen, flips = {}, {}, {}
    for batch in batches:
        for row, i in enumerate(numbers(batch)):
            assert i in train and batch["condition"]["label"][row] == i % 2
            assert bool(batch["hidden"]["caption"][row]) == (i == 7)
            texts.setdefault(i, set()).add(to_texts(batch["condition"]["caption"][[row]].numpy())[0])
            seen.setdefault(i, set()).add(int(batch["index"][row]))
            plain = to_tensor(picture(i), (8, 8), 1, "lanczos")
            flips.setdefault(i, set()).add(torch.equal(batch["image"][row], plain))
            assert torch.equal(batch["image"][row], plain) or torch.equal(batch["image"][row].flip(-1), plain)
    assert len(set(turns[0])) == len(turns[0]) == 4 * per_turn and turns[0] != turns[1] and seen.keys() == train
    assert 7 in seen
    assert all(len(indices) == 1 for indices in seen.values())
    assert sum(text == {f"a {i} ü", f"the {i} ü"} for i, text in texts.items()) > 14
    assert sum(len(found) == 2 for found in flips.values()) > 14


def test_a_stream_tells_captions_to_learn_words_from(root):
    data = stream(root, seed=SEED)
    held_out = {i for split in ("val", "test") for i in numbers(whole_split(data, split))}
    train = [i for i in range(NUM) if i not in {*held_out, 7, 9}]
    assert data.train_captions() == [text for i in train for text in (f"a {i} ü", f"the {i} ü")]
    assert stream(root, captions=None).train_captions() == []


def whole_split(data, split):
    pictures = data.dataset(split)
    return pictures.__getitems__(list(range(len(pictures))))


@pytest.mark.filterwarnings("ignore:.* pictures so far have no")
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_stream_goes_on_where_it_was(root, num_workers):
    loader = stream(root, num_workers=2 * bool(num_workers)).train_dataloader()
    if num_workers:
        # Whatever the cores of this machine.
        loader = StreamLoader(loader.batches, num_workers)
    taken = [numbers(batch) for batch in itertools.islice(loader, 13)]
    for done in (5, 12):
        before, after = (StreamLoader(loader.batches, num_workers) for _ in range(2))
        assert [numbers(batch) for batch in itertools.islice(before, done)] == taken[:done]
        after.load_state_dict(before.state_dict())
        assert [numbers(batch) for batch in itertools.islice(after, 13 - done)] == taken[done:]


def test_the_turns_of_a_streams_workers_know_nothing_of_each_other(root):
    rows = stream(root).train_dataloader().batches.rows
    orders = [[row["age"] for row in rows(turn)] for turn in range(3)]
    assert len({tuple(order) for order in orders}) == 3 and len({tuple(sorted(order)) for order in orders}) == 1
    # One worker begins its second turn while another one is still before its first.
    waiting = [rows(turn) for turn in range(3)]
    assert [[row["age"] for row in order] for order in reversed(waiting)] == orders[::-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "style"}, r"column style of .*set is not of class ids with names \(ClassLabel\), and a stream does "
                              "not say beforehand what is in it; HuggingFaceImages finds out$"),
        ({"columns": ["style"]}, "column style of .*set is not of class ids"),
        ({"captions": "txt"}, "set has no column txt; there are image, text, "),
        ({"image_column": "text", "captions": None}, "column text of .*set is not of pictures$"),
        ({"head": 1, "val_fraction": 1e-9}, "none of the first 1 pictures of .*set is held out; raise head"),
        ({"head": 0}, "head and buffer must be at least 1, not 0 and 1000"),
    ],
)  # fmt: skip
def test_mistakes_with_a_stream(root, options, message):
    with pytest.raises(ValueError, match=message):
        len(stream(root, **options).collection.identities)


@pytest.mark.filterwarnings("ignore:.* pictures so far have no")
def test_what_cannot_be_read_is_another_picture_and_too_few_are_refused(root):
    data = stream(root)
    batches = data.train_dataloader().batches
    whole, broken = batches.reading.decode, []

    def decode(given):
        if not broken or given["bytes"] in broken:
            broken.append(given["bytes"])
            raise OSError("cut")
        return whole(given)

    object.__setattr__(batches.reading, "decode", decode)
    with pytest.warns(UserWarning, match="pictures so far are corrupt and left out"):
        (_, batch), *_ = itertools.islice(batches, 1)
    assert len(set(numbers(batch))) == 3 and batch["image"].shape == (4, 1, 8, 8)
    with pytest.raises(ValueError, match=r"training pictures in a part of .*set are too few for a batch of 100"):
        next(iter(stream(root, batch_size=100).train_dataloader()))


@pytest.mark.filterwarnings("ignore:.* have no")
def test_a_prior_learns_from_a_stream(root, tokenizer_checkpoint, tmp_path, capsys):
    data = ["--data", "HuggingFaceStream", "--data.path", root, "--data.labels", "kind", "--data.image_size", "16",
            "--data.batch_size", "4", "--data.val_fraction", "0.2"]  # fmt: skip
    common = ["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer_checkpoint), *data,
              "--trainer.default_root_dir", str(tmp_path), "--trainer.enable_progress_bar", "false",
              "--model.conditioner.num_classes", "3", "--trainer.val_check_interval", "6"]  # fmt: skip
    assert main([*common, "--trainer.max_steps", "6"]) == 0
    assert main([*common, "--trainer.max_steps", "12", "--ckpt_path", str(tmp_path / "last.ckpt")]) == 0
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 12
    capsys.readouterr()
    assert main(["encode", "--tokenizer", str(tokenizer_checkpoint), *data, "--out", str(tmp_path / "cache")]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: "))
    assert "is a stream, whose training pictures come one by one; for a token cache" in line
