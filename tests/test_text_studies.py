"""benchmarks/studies/prompts.py and editing.py on tiny priors: what best-of-n is worth, what edits keep, and tables."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

import lightgen
from lightgen.checkpoint import save
from lightgen.conditioners import Text
from lightgen.data import ImageFolder
from lightgen.functional.text import to_texts
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.scorers import Contrastive, TimmEncoder
from lightgen.scorers.base import Scorer
from lightgen.text_encoders import WordPieces
from lightgen.tokenizers import PixelTokenizer

SUITE = "faces: [a face, a winking face]\nanimals: [a fox]\n"
PROMPTS = ["a face", "a winking face", "a fox"]


@pytest.fixture
def studies(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(lightgen.__file__).parents[1] / "benchmarks" / "studies"))


@pytest.fixture
def study(studies):
    import prompts

    return prompts


def words():
    made = WordPieces(300, 8, 16, depth=0)
    made.learn(PROMPTS)
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root, process, tokenizer = tmp_path_factory.mktemp("prompts"), Absorbing(256), PixelTokenizer((4, 4))
    torch.manual_seed(0)
    network = Transformer(process.interface(tokenizer.layout, Text(words())), 16, 1, 2, 8)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    save(Prior(tokenizer, network, process, Recipe(MaskGIT(steps=2))).eval(), root / "prior.ckpt")
    for name in ("judge", "other"):
        save(Contrastive(TimmEncoder("test_resnet", 32, "new"), words(), dim=8), root / f"{name}.ckpt")
    (root / "suite.yaml").write_text(SUITE, encoding="utf-8")
    return root


def arguments(root, reranker="other"):
    options = {
        "judge": root / "judge.ckpt",
        "reranker": root / f"{reranker}.ckpt",
        "suite": root / "suite.yaml",
        "draws": 4,
    }
    return [str(root / "prior.ckpt"), *(str(word) for name, value in options.items() for word in (f"--{name}", value))]


def test_of_each_group_of_draws_the_one_that_is_liked_most_counts(study):
    right = torch.tensor([[True, False, False, True], [False, False, True, False]])
    liked = torch.tensor([[0.9, 0.1, 0.8, 0.2], [0.0, 0.1, 0.2, 0.9]])
    assert study.best_of(right, liked, 1).tolist() == [0.5, 0.25]
    assert study.best_of(right, liked, 2).tolist() == [0.5, 0.0] and study.best_of(right, liked, 4).tolist() == [1, 0]
    assert study.best_of(right, right.float(), 2).tolist() == [1.0, 0.5]


def test_a_table_has_a_row_for_each_category(study, files, capsys):
    study.main(arguments(files))
    head, _, *rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert head[3:] == ["generated", "best of 2", "best of 4", "shuffled |"]
    assert [row[:2] for row in rows] == [["| faces", "2"], ["| animals", "1"], ["| all", "3"]]
    prior = lightgen.load(files / "prior.ckpt")
    pictures = prior.sample(12, text=[text for text in PROMPTS for _ in range(4)])
    assert torch.equal(study.drawn(prior, PROMPTS, 4), pictures)
    judge, said = (
        lightgen.load(files / "judge.ckpt"),
        torch.from_numpy(study.to_bytes(PROMPTS)),
    )
    scores = torch.stack([judge(pictures, said[[i] * 12]) for i in range(3)])
    right = scores.argmax(0) == torch.arange(12) // 4
    assert [row[3].split()[0] for row in rows] == [
        f"{right[a:b].float().mean():.3f}" for a, b in ((0, 8), (8, 12), (0, 12))
    ]


def test_what_makes_no_table_is_one_line(study, files, tmp_path):
    with pytest.raises(SystemExit, match=r"reranker .* is the judge itself"):
        study.main(arguments(files, "judge"))
    for text, message in (("[a fox]", "must have a list of prompts"), ("a: [no]", "must have a list of prompts"),
                          ("a: [fox]\nb: [fox]", "has 'fox' twice")):  # fmt: skip
        path = tmp_path / "suite.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit, match=message):
            study.read(path)
    assert set(map(len, study.read(study.SUITE).values())) == {12}


def test_the_judges_own_figure_is_of_pictures_that_it_was_not_trained_on(study, tmp_path, monkeypatch):
    for i in range(12):
        Image.new("RGB", (4, 4), (20 * i, 0, 0)).save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.txt").write_text(PROMPTS[i % 3] if i < 9 else "a house", encoding="utf-8")
    data = ImageFolder(str(tmp_path), captions="text", image_size=4, val_fraction=0.4, test_fraction=0.2)
    monkeypatch.setattr(study, "pictures_of", lambda judge, root: data)
    images, own = study.real_pictures("judge.ckpt", None, PROMPTS)
    held_out = {
        int(Path(data.collection.name(row)).stem) for split in ("val", "test") for row in data.dataset(split).rows
    }
    numbers = (images[:, 0, 0, 0].float() / 20).round().int().tolist()
    assert sorted(numbers) == sorted(held_out - {9, 10, 11}) and own.tolist() == [number % 3 for number in numbers]


class Oracle(Scorer):
    """Knows the grey of each picture, and the number at the end of each caption."""

    dim, scale = 10, torch.ones(())

    def embed_images(self, images):
        return torch.eye(10)[(images.float().mean((1, 2, 3)) / 20).round().long().clamp(0, 9)]

    def embed_texts(self, texts):
        return torch.eye(10)[[int(text[-1]) for text in to_texts(texts.numpy())]]


def test_edits_towards_captions_are_told_from_what_was_there(studies, files, tmp_path):
    import editing

    for i in range(12):
        Image.new("L", (4, 4), 20 * (i % 10)).save(tmp_path / f"{i}.png")
        (tmp_path / f"{i}.txt").write_text(f"grey {i % 10}", encoding="utf-8")
    data = ImageFolder(str(tmp_path), captions="text", image_size=4, channels=1, val_fraction=0.5)
    task = editing.of_captions(data.dataset("val"), Oracle())
    assert len(task.pictures) > 3 and torch.equal(task.seen(task.pictures), task.old)
    assert (task.new != task.old).all() and task.score(task.pictures) == 0 and task.score(task.pictures[task.new]) == 1
    rows = editing.edited(lightgen.load(files / "prior.ckpt"), task)
    assert rows[0] == ["0", "0.0", "1.000", "1.000", "0.000", "1.000", "0.000"] and len(rows) == len(editing.STRENGTHS)
    kept = [float(row[2]) for row in rows]
    assert kept == sorted(kept, reverse=True) and kept[-1] < 0.2
