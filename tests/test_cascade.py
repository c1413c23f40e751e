"""Priors in a row: what each is told, that pictures are the same in any batch, and levels that do not fit."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn

import lightgen
from lightgen.checkpoint import fingerprint, save
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, LowResolution, Mixed, Picture, Text
from lightgen.figures import read_png
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.scorers import Contrastive, TimmEncoder
from lightgen.scorers.base import Scorer
from lightgen.text_encoders import WordPieces
from lightgen.tokenizers import PixelTokenizer


def prior_on(grid, *conditioners, seed=0, **recipe):
    """A prior on pixels whose network listens to its condition."""
    torch.manual_seed(seed)
    tokenizer, process = PixelTokenizer(grid), Absorbing(256)
    conditioner = Mixed(conditioners) if len(conditioners) > 1 else next(iter(conditioners), None)
    network = Transformer(process.interface(tokenizer.layout, conditioner), 16, 1, 2, 8)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    return Prior(tokenizer, network, process, Recipe(MaskGIT(steps=3), **recipe)).eval()


def finer_than(coarse, dropout=0.1):
    """What reads the ids of a prior."""
    return LowResolution(coarse.layout(), fingerprint(coarse.tokenizer), dropout)


@pytest.fixture(scope="module")
def low():
    return prior_on((2, 2), ClassLabel(3))


@pytest.fixture(scope="module")
def high(low):
    return prior_on((4, 4), ClassLabel(3), finer_than(low), seed=1, guidance=ConstantGuidance(2.0))


@pytest.fixture(scope="module")
def cascade(low, high):
    return lightgen.Cascade([low, high])


def test_each_prior_is_told_the_ids_of_the_one_before_and_the_class(low, high, cascade):
    noise, label = Noise.of(5, 4), torch.tensor([2, 0, 1, 1])
    coarse = low.sample_ids(noise, condition=Condition({"label": label})).ids
    told = Condition({"coarse": coarse, "label": label})
    fine = high.sample_ids(noise.fold(1), condition=told).ids
    made = cascade.sample(4, seed=5, label=label)
    assert torch.equal(made, high.decode(fine))
    for other in ({"coarse": coarse.roll(1, 0)}, {"label": label.roll(1, 0)}):
        assert not torch.equal(high.sample_ids(noise.fold(1), condition=told.replace(**other)).ids, fine)
    # The same numbers again would tie the two levels together.
    assert not torch.equal(high.sample_ids(noise, condition=told).ids, fine)


def test_a_class_that_is_left_open_is_drawn_once_for_all(low, high, cascade):
    noise = Noise.of(0, 6)
    drawn = low.completed(None, noise).tensors["label"]
    assert len(drawn.unique()) > 1 and not torch.equal(drawn, high.completed(None, noise.fold(1)).tensors["label"])
    assert torch.equal(cascade.sample(6), cascade.sample(6, label=drawn))


def test_a_picture_is_the_same_in_any_batch(cascade):
    whole = cascade.sample(5, seed=3)
    assert torch.equal(cascade.sample(5, seed=3, batch_size=2), whole)
    assert torch.equal(cascade.sample(2, seed=3), whole[:2]) and not torch.equal(cascade.sample(5, seed=4), whole)


def test_three_in_a_row_each_by_its_own_recipe(low, high):
    top = prior_on((4, 8), finer_than(high), seed=2)
    recipes = [low.recipe.changed(steps=1), None, top.recipe.changed(steps=2)]
    row = lightgen.Cascade([low, high, top], recipes)
    assert [recipe.sampler.steps for _, recipe in row.stages] == [1, 3, 2]
    iterations = row.iterate(Noise.of(0, 2))
    ids = [one.run().ids for one in iterations]
    assert [one.shape for one in ids] == [(2, 4), (2, 16), (2, 32)]
    assert torch.equal(row.sample(2), top.decode(ids[2]))


def test_levels_that_do_not_fit_are_one_line_before_any_work(low, high):
    unconditional = prior_on((4, 4))
    other = prior_on((4, 4), LowResolution(low.layout(), "of another"))
    finest = prior_on((4, 4), finer_than(low, dropout=0.0))
    unfit = "prior {} of the cascade does not fit the one before it: the coarser ids are of another tokenizer"
    for priors, message in (
        ([low], "a cascade is of two priors at least, from coarse to fine, not of 1"),
        ([low, unconditional], "prior 2 of the cascade was not trained with the ids of a coarser picture, but with no"),
        ([low, low], "prior 2 of the cascade was not trained with the ids of a coarser picture, but with label"),
        ([low, other], unfit.format(2)),
        ([low, high, high], unfit.format(3)),
        ([finest, prior_on((8, 8), finer_than(finest))], "this prior knows no picture without the ids of a coarser"),
    ):
        with pytest.raises(ValueError) as error:
            lightgen.Cascade(priors)
        assert str(error.value).startswith(message)
    with pytest.raises(ValueError, match=r"those are on 4x4 cells of 256 codes, these on 2x2 cells of 256 codes$"):
        lightgen.Cascade([low, high, high])
    with pytest.raises(ValueError, match="recipes must be one for each of 2 priors, not 1"):
        lightgen.Cascade([low, high], [None])
    row = lightgen.Cascade([prior_on((2, 2)), high])
    assert row.sample(2, label=1).shape == (2, 1, 4, 4)
    with pytest.raises(ValueError, match=r"label must be in \[0, 2\], or 3 for no class, not 7"):
        row.sample(2, label=7)
    with pytest.raises(ValueError, match="label 1 was given, but these priors were trained without classes"):
        lightgen.Cascade([prior_on((2, 2)), prior_on((4, 4), finer_than(low))]).sample(label=1)
    with pytest.raises(ValueError, match="num_images must be a whole number of at least 1, not 0"):
        row.sample(0)


def test_a_hole_is_filled_at_every_level(cascade, low, monkeypatch):
    image = (torch.arange(16).view(1, 4, 4) * 16).to(torch.uint8)
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[2:, 3] = True
    made = cascade.inpaint(image, mask, 3, margin=0, composite=True)
    assert made.shape == (3, 1, 4, 4) and torch.equal(made[:, :, ~mask], image[:, ~mask].expand(3, -1, -1))
    assert (made[:, :, mask] != image[:, mask]).any()
    picture, hole = lightgen.to_pil(image[None])[0], lightgen.to_pil(mask[None, None].to(torch.uint8) * 255)[0]
    assert torch.equal(cascade.inpaint(picture, hole, 3, margin=0, composite=True), made)
    # What lies under the mask makes no difference at any level.
    assert torch.equal(cascade.inpaint(torch.where(mask, 255 - image, image), mask, 3, margin=0, composite=True), made)
    seen = []

    def watched(noise, recipe, told, ids_BN, known_BN, negative):
        seen.append((ids_BN, known_BN))
        return type(low).iterate(low, noise, recipe, told, ids_BN, known_BN)

    monkeypatch.setattr(low, "iterate", watched)
    cascade.inpaint(image, mask, 1, margin=0)
    # Of the coarse picture, all is known but the cell that the hole reaches into.
    assert seen[0][1].tolist() == [[True, True, True, False]]
    # Where nothing of it is, it is drawn from nothing.
    mask[:2, :1] = mask[2:, :1] = mask[:2, 3:] = True
    cascade.inpaint(image, mask, 1, margin=0)
    assert seen[1] == (None, None)


@pytest.fixture(scope="module")
def files(low, high, tmp_path_factory):
    root = tmp_path_factory.mktemp("levels")
    for name, prior in (("low", low), ("high", high), ("alone", prior_on((4, 4)))):
        save(prior, root / f"{name}.ckpt")
    return root


@pytest.fixture(scope="module")
def told(low):
    """Two priors that know the same texts, of which the finer one knows styles besides."""
    texts = [Text(WordPieces(256, 16, 8, 1, 2)) for _ in range(2)]
    for one in texts:
        one.learn(["a red heart", "a fox"])
    coarse = prior_on((2, 2), ClassLabel(3), texts[0])
    fine = prior_on((4, 4), texts[1], ClassLabel(2, name="style"), finer_than(low), seed=1)
    coarse.categories, fine.categories = {"label": ("cats", "dogs", "foxes")}, {"style": ("flat", "line")}
    return lightgen.Cascade([coarse, fine])


def test_texts_and_other_categories_reach_every_prior_that_knows_them(told):
    (coarse, fine), noise = [prior for prior, _ in told.stages], Noise.of(2, 3)
    said, style = coarse.condition(num_images=3, text="a fox"), fine.condition(num_images=3, style="line")
    ids = coarse.sample_ids(noise, condition=said).ids
    last = fine.sample_ids(noise.fold(1), condition=said.update(style).replace(coarse=ids)).ids
    made = told.sample(3, seed=2, text="a fox", style="line")
    assert torch.equal(made, fine.decode(last))
    assert torch.equal(told.sample(seed=2, text=["a fox"] * 3, style=1, batch_size=2), made)
    for other in ({"text": "a red heart", "style": 1}, {"text": "a fox", "style": 0}, {"style": 1}):
        assert not torch.equal(told.sample(3, seed=2, **other), made)
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[2:] = True
    painted = told.inpaint(made[0], mask, text=["a fox", "a red heart"], style="flat", composite=True)
    assert len(painted) == 2 and torch.equal(painted[:, :, :2], made[:1, :, :2].expand(2, -1, -1, -1))
    assert torch.equal(told.inpaint(made[0], mask), told.inpaint(made[0], mask, batch_size=1))
    for given, message in (
        ({"mood": 1}, "mood 1 was given, but these priors were trained without mood"),
        ({"style": "round"}, "no style is called 'round'; there are flat, line"),
        ({"text": " "}, "text must say something"),
    ):
        with pytest.raises(ValueError, match=f"^{message}"):
            told.sample(**given)


def test_on_the_command_line_texts_and_styles_are_of_all_priors(told, tmp_path):
    for prior, name in zip((prior for prior, _ in told.stages), ("coarse", "fine"), strict=True):
        save(prior, tmp_path / f"{name}.ckpt")
    row = ["--ckpt_path", tmp_path / "coarse.ckpt", "--then", tmp_path / "fine.ckpt", "--num_images", 1]
    asked = ["--text", "a fox", "a red heart", "--style", "line", "--label", "dogs", "--out", tmp_path / "out"]
    assert main(["sample", *map(str, [*row, *asked])]) == 0
    record = json.loads((tmp_path / "out" / "samples.json").read_text())
    words = [{"text": text, "style": "line", "label": "dogs"} for text in ("a fox", "a red heart")]
    assert record["asked"] == words
    pictures = [read_png(path) for path in sorted((tmp_path / "out").glob("00000*.png"))]
    assert torch.equal(torch.stack(pictures), told.sample(text=["a fox", "a red heart"], style="line", label="dogs"))


@pytest.fixture(scope="module")
def guided(told):
    """The same priors, of which the finer one is guided."""
    recipes = [recipe for _, recipe in told.stages]
    return lightgen.Cascade(list(told.priors), [recipes[0], recipes[1].replace(guidance=ConstantGuidance(3.0))])


def test_a_reference_is_of_the_first_prior():
    first = prior_on((2, 2), Picture(), ClassLabel(3))
    row = lightgen.Cascade([first, prior_on((4, 4), ClassLabel(3), finer_than(first), seed=1)])
    image = torch.tensor([[[0, 90], [200, 255]]], dtype=torch.uint8)
    told = row.condition(1, 2, like=(image, 0.5))
    ids = first.encode(image[None])
    assert torch.equal(told.tensors["picture"], ids.expand(2, -1)) and told.weights["picture"].tolist() == [0.5, 0.5]
    liked, plain = row.sample(2, label=1, like=image), row.sample(2, label=1)
    assert not torch.equal(liked, plain) and torch.equal(row.sample(2, label=1, like=(image, 0.0)), plain)
    assert len(row.sample(label=1, like=[image, image, image])) == 3 and len(row.sample(label=1, like=image)) == 1
    # The ids of the first prior mean something else to another one.
    both = lightgen.Cascade([first, prior_on((4, 4), Picture(), finer_than(first), seed=1)])
    assert len(both.sample(2)) == 2
    for made in (
        lambda: both.sample(2, like=image),
        lambda: both.completed(both.condition(like=image), Noise.of(0, 1)),
    ):
        with pytest.raises(ValueError, match="like is for the first prior of a cascade, and prior 2 would take it for"):
            made()


def test_a_reference_that_two_priors_know_is_refused_before_any_work(tmp_path, capsys):
    first = prior_on((2, 2), Picture())
    for name, prior in (("low", first), ("high", prior_on((4, 4), Picture(), finer_than(first)))):
        save(prior, tmp_path / f"{name}.ckpt")
    Image.new("L", (2, 2), 77).save(tmp_path / "cat.png")
    words = ["--ckpt_path", tmp_path / "low.ckpt", "--like", tmp_path / "cat.png", "--then", tmp_path / "high.ckpt"]
    capsys.readouterr()
    assert main(["sample", *map(str, words), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_negative_text_reaches_every_guided_prior_that_knows_texts(told, guided):
    (coarse, _), (fine, recipe) = guided.stages
    noise, asked = Noise.of(2, 3), {"text": "a fox", "style": 1}
    ids = coarse.sample_ids(noise, condition=coarse.condition(num_images=3, text="a fox")).ids
    said = fine.condition(num_images=3, **asked).replace(coarse=ids)
    away = fine.condition(num_images=3, text="a red heart")
    made = guided.sample(3, seed=2, negative_text="a red heart", **asked)
    assert torch.equal(made, fine.decode(fine.sample_ids(noise.fold(1), recipe, said, negative=away).ids))
    assert not torch.equal(made, guided.sample(3, seed=2, **asked))
    both = lightgen.Cascade([coarse, fine], [one.replace(guidance=recipe.guidance) for _, one in guided.stages])
    first = next(both.iterate(noise, both.condition(num_images=3, **asked), negative=away)).run().ids
    said = coarse.condition(num_images=3, text="a fox")
    assert torch.equal(first, coarse.sample_ids(noise, both.recipes[0], said, negative=away).ids)
    assert not torch.equal(first, coarse.sample_ids(noise, both.recipes[0], said).ids)
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[2:] = True
    painted = [guided.inpaint(made[0], mask, text="a fox", negative_text=one) for one in (None, "a red heart")]
    assert not torch.equal(*painted)
    with pytest.raises(ValueError, match=r"^negative_text is what guidance goes away from, and there is none"):
        told.sample(negative_text="a fox")


class Brightest(Scorer):
    """Likes bright pictures, whatever they were asked for."""

    dim, scale = 1, torch.ones(())

    def embed_images(self, images):
        return images.float().mean((1, 2, 3))[:, None]

    def embed_texts(self, texts):
        return torch.ones(len(texts), 1)


def test_the_best_of_several_draws_is_one_of_all_priors(guided):
    """Draw j of picture i is picture i n + j, coarse ids included."""
    text = ["a fox", "a red heart"]
    alone = guided.sample(seed=7, text=[one for one in text for _ in range(3)], style="line")
    best = Brightest().embed_images(alone).view(2, 3).argmax(1) + torch.tensor([0, 3])
    made = guided.sample(seed=7, text=text, style="line", best_of=3, judge=Brightest())
    assert torch.equal(made, alone[best]) and best.tolist() != [0, 3]
    assert torch.equal(made, guided.sample(seed=7, text=text, style="line", best_of=3, judge=Brightest(), batch_size=1))


def test_on_the_command_line_a_row_of_priors_goes_away_from_a_text_and_keeps_the_best(guided, tmp_path, capsys):
    for (prior, recipe), name in zip(guided.stages, ("coarse", "fine"), strict=True):
        save(Prior(prior.tokenizer, prior.network, prior.process, recipe), tmp_path / f"{name}.ckpt")
    words = WordPieces(300, 8, 16, depth=0)
    words.learn(["a red heart", "a fox"])
    save(Contrastive(TimmEncoder("test_resnet", 32, "new"), words, dim=8), tmp_path / "judge.ckpt")
    row = ["--ckpt_path", tmp_path / "coarse.ckpt", "--then", tmp_path / "fine.ckpt", "--num_images", 3]
    choice = ["--best_of", 2, "--judge", tmp_path / "judge.ckpt"]
    asked = ["--text", "a fox", "--negative_text", "a red heart", "--style", 1, "--out", tmp_path / "out"]
    assert main(["sample", *map(str, [*row, *choice, *asked])]) == 0
    assert "3 pictures of a fox, style 1, the best of 2 each, by MaskGIT" in capsys.readouterr().out
    record = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert record["best_of"] == 2 and record["negative_text"] == "a red heart"
    assert [draw // 2 for draw in record["draws"]] == [0, 1, 2] and record["evaluations"] == [18] * 3
    made = torch.stack([read_png(path) for path in sorted((tmp_path / "out").glob("00000*.png"))])
    told = {"text": "a fox", "negative_text": "a red heart", "style": 1}
    assert torch.equal(made, guided.sample(3, best_of=2, judge=str(tmp_path / "judge.ckpt"), **told))
    assert torch.equal(made, guided.sample(6, **told)[record["draws"]])


def sampled(out, *args):
    assert main(["sample", "--num_images", "3", "--label", "1", "--out", str(out), *map(str, args)]) == 0
    pictures = torch.stack([read_png(out / f"{i:06d}.png") for i in range(3)])
    return pictures, json.loads((out / "samples.json").read_text())


def test_on_the_command_line_each_prior_has_the_options_behind_it(files, low, high, tmp_path, capsys):
    first, second = ["--ckpt_path", files / "low.ckpt", "--sampler.steps", 2], ["--then", files / "high.ckpt"]
    made, record = sampled(tmp_path / "a", *first, *second, "--sampler.steps", 4, "--seed", 9, "--guidance", "null")
    expected = high.recipe.changed(steps=4)
    row = lightgen.Cascade([low, high], [low.recipe.changed(steps=2), replace(expected, guidance=None)])
    assert torch.equal(made, row.sample(3, seed=9, label=1))
    assert record["sampler"]["arguments"]["steps"] == 2 and record["then"][0]["sampler"]["arguments"]["steps"] == 4
    assert record["then"][0]["weights"] == fingerprint(high) and record["evaluations"] == [6, 6, 6]
    said = capsys.readouterr().out
    assert "3 pictures of class 1 by MaskGIT, 2 steps, then by MaskGIT, 4 steps, 6 network evaluations each" in said
    # Its own recipe, guided; and in a config.
    own, _ = sampled(tmp_path / "b", *first, *second)
    assert torch.equal(own, lightgen.Cascade([low, high], [low.recipe.changed(steps=2), None]).sample(3, label=1))
    config = tmp_path / "row.yaml"
    config.write_text(f"then: [{files / 'high.ckpt'}]\n")
    assert torch.equal(sampled(tmp_path / "c", *first, "--config", config)[0], own)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--then"], "--then needs a checkpoint"),
        (["--then", "--seed", "1"], "--then needs a checkpoint"),
        (["--then", "none.ckpt"], "no checkpoint at none.ckpt"),
        (["--then", "alone.ckpt"], "prior 2 of the cascade was not trained with the ids of a coarser picture"),
        (
            ["--then", "low.ckpt"],
            "prior 2 of the cascade was not trained with the ids of a coarser picture, but with label",
        ),
        (["--then", "high.ckpt", "--canvas", "2x2"], "a larger --canvas is for one prior, without --then"),
        (["--then", "high.ckpt", "--negative_text", "a"], "text was given, but these priors were trained without text"),
        (["--then", "high.ckpt", "--best_of", "2"], "best_of 2 needs a judge"),
        (["--then", "high.ckpt", "--animate"], "--animate shows one prior at work, without --then"),
        (["--then", "high.ckpt", "--label", "9"], "label must be in [0, 2], or 3 for no class, not 9"),
        (["--then", "high.ckpt", "--sampler", "SUNDAE"], "the sampler SUNDAE does not fit a prior trained with"),
    ],
)
def test_mistakes_are_one_line(files, args, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert main(["sample", "--ckpt_path", "low.ckpt", "--out", str(tmp_path / "out"), *args]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"lightgen: {message}") and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()
