"""What the page does, without a browser: forms from components, runs that stop and go on, pictures, paint."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import lightgen
from lightgen.again import read
from lightgen.app.options import abouts, given, options
from lightgen.app.run import Run, glowing
from lightgen.app.shelf import Shelf
from lightgen.app.wish import Wish, first_wish, questions, samplers, unsaid, wish_of
from lightgen.figures import read_png
from lightgen.inpainting import known_region
from lightgen.registry import components
from lightgen.warps import Warps

ZOO = "zoo:icons64-absorbing"


@pytest.fixture(scope="module")
def shelf():
    return Shelf()


@pytest.fixture(scope="module")
def prior(shelf):
    return shelf.prior(ZOO)


def wish(**more):
    return Wish(**{"prior": ZOO, "sampler": "MaskGIT", "steps": 4, "temperature": 0.5, "guidance": 2.0, "seed": 3,
                   "num_images": 2, "told": {"label": "Flags"}, **more})  # fmt: skip


def test_only_what_is_offered_is_loaded(shelf, prior_checkpoint):
    assert "zoo:icons64-sundae" in shelf.names and "zoo:emoji64-tokenizer" not in shelf.names
    with pytest.raises(ValueError, match="does not offer /etc/x; `lightgen app --ckpt_path /etc/x` offers it"):
        shelf.prior("/etc/x")
    own = Shelf([str(prior_checkpoint)])
    assert own.names[0] == str(prior_checkpoint) and own.prior(own.names[0]) is own.prior(own.names[0])
    with pytest.raises(ValueError, match=r"no checkpoint at nowhere\.ckpt"):
        Shelf(["nowhere.ckpt"])


def test_every_sampler_declares_its_own_form():
    for cls in components("sampler"):
        for option in options(cls):
            assert option.about, f"{cls.__name__} does not say what {option.name} is"
            assert option.kind != "choice" or option.default in (*option.choices, None)
        defaults = {option.name: option.default for option in options(cls)}
        assert repr(cls(**given(cls, defaults))) == repr(cls())
    found = {option.name: option for option in options(lightgen.samplers.SUNDAE)}
    assert found["unchanged"].choices == ("written", "proposal") and found["patience"].kind == "whole"
    (schedule,) = [option for option in options(lightgen.samplers.Halton) if option.component]
    assert "Cosine" in schedule.choices and "floor" in abouts(lightgen.samplers.Halton)
    made = given(lightgen.samplers.Halton, {"schedule": "Cosine", "randomize": True})
    assert type(made["schedule"]).__name__ == "Cosine" and made["randomize"] is True


@pytest.mark.parametrize(
    ("values", "message"),
    [({"no": 1}, "MaskGIT takes .* and no no"), ({"confidence": "x"}, "confidence must be one of network, warped"),
     ({"annealed": 1}, "annealed cannot be 1"), ({"choice_temperature": "a"}, "choice_temperature cannot be 'a'"),
     ({"schedule": "SUNDAE"}, "no schedule is called 'SUNDAE'")],
)  # fmt: skip
def test_a_form_takes_no_nonsense(values, message):
    with pytest.raises(ValueError, match=message):
        given(lightgen.samplers.MaskGIT, values)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"num_images": 17}, "num_images must be a whole number from 1 to 16"), ({"steps": 0}, "steps must be"),
     ({"seed": "a"}, "seed must be a whole number"), ({"sampler": "SUNDAE"}, "does not fit a prior trained with"),
     ({"told": {"coarse": "a cat"}}, "trained without coarse"),
     ({"told": {"layout": "/etc/passwd"}}, "trained without layout"),
     ({"told": {"label": "Flagg"}}, "did you mean 'Flags'"),
     ({"temperature": -1.0}, "temperature must be 0, or a number from 1e-06 on")],
)  # fmt: skip
def test_a_wish_that_cannot_be_met_is_one_line(prior, change, message):
    with pytest.raises(ValueError, match=message):
        Run(prior, wish(**change))


def test_a_form_begins_with_the_prior_s_own_recipe(shelf, prior):
    first = first_wish(ZOO, prior)
    assert first.recipe(prior).sampler.steps == prior.recipe.sampler.steps == first.steps == 16
    assert repr(first.recipe(prior)) == repr(prior.recipe)
    assert first_wish(ZOO, prior, "MaskGIT").options["choice_temperature"] == 4.5
    causal = shelf.prior("zoo:icons64-causal")
    assert first_wish("zoo:icons64-causal", causal).steps is None
    assert repr(first_wish("zoo:icons64-causal", causal).recipe(causal)) == repr(causal.recipe)
    assert "MaskGIT" in samplers(prior) and "Autoregressive" in samplers(causal) and "MaskGIT" not in samplers(causal)
    assert questions(prior)["label"][:1] == ["Activities"]


def test_a_run_is_what_sample_gives_and_can_be_stopped_and_gone_on_with(prior, tmp_path):
    run, seen = Run(prior, wish(sampler="Halton")), []
    for frame in run.steps():
        seen.append(frame.evaluations)
        run.stopped = len(seen) == 2
    assert seen == [2.0, 4.0] and not run.finished and run.described(2).endswith("%, stopped")
    seen += [frame.evaluations for frame in run.steps()]
    assert seen == [2.0, 4.0, 6.0, 8.0] and run.finished and len(run.frames) == 5
    expected = prior.sample(2, sampler="Halton", steps=4, temperature=0.5, guidance=2.0, seed=3, label="Flags")
    for number, (path, caption) in enumerate(run.save(tmp_path)):
        assert torch.equal(read_png(path), expected[number]) and caption == f"Flags: Halton, seed 3, picture {number}"
        assert read(path) == run.settings[number]
    made = prior(2, sampler="Halton", steps=4, temperature=0.5, guidance=2.0, seed=3, label="Flags")
    assert run.settings == made.settings
    # All noise is grey; later steps can be looked at again, with and without what is not sure.
    assert np.unique(np.array(run.picture(0))).tolist() == [128, 255]
    assert run.picture(2).size == run.picture(9).size == (258, 128)
    assert np.array(run.picture(2, heat=True)).tolist() != np.array(run.picture(2)).tolist()


def test_cells_glow_where_the_network_is_not_sure(prior):
    images, confidence = torch.zeros(1, 3, 64, 64, dtype=torch.uint8), torch.ones(1, 64)
    confidence[0, 9] = 0
    found = glowing(images, confidence, prior.layout())
    assert found.shape == (1, 3, 64, 64) and (found[0, 0] > 0).sum() == 64
    assert found[0, 0, 8:16, 8:16].unique().tolist() == [191]


def test_settings_become_a_form_again(prior):
    asked = wish(options={"choice_temperature": 2.0, "annealed": True, "schedule": "Cosine"})
    settings = Run(prior, asked).settings[1]
    again = wish_of(json.loads(json.dumps(settings)), prior)
    assert repr(again.recipe(prior)) == repr(asked.recipe(prior))
    assert (again.seed, again.num_images, again.told) == (3, 2, {"label": "Flags"})
    assert Run(prior, again).settings[1] == settings


@pytest.fixture
def asking(text_prior_checkpoint, scorer_checkpoint):
    """A page whose prior knows text, and what is asked of it."""
    path, judge = str(text_prior_checkpoint), str(scorer_checkpoint)
    told = {"text": "a red heart", "negative_text": "blue", "style": "noto", "label": None}
    shelf, asked = Shelf([path], judge=judge), wish(prior=path, told=told, options={})
    return shelf, shelf.prior(path), asked


def test_a_prior_is_asked_in_words(asking):
    _, prior, asked = asking
    assert list(questions(prior)) == ["text", "negative_text", "label", "style"]
    assert list(questions(prior).values()) == [[], [], ["Flags", "Food"], ["flat", "noto"]]
    run = Run(prior, asked)
    assert [*run.steps()] and run.caption == "a red heart, noto"
    how = {"sampler": "MaskGIT", "steps": 4, "temperature": 0.5, "guidance": 2.0, "seed": 3, "text": "a red heart"}
    made = prior(2, **how, negative_text="blue", style="noto")
    assert torch.equal(prior.decode(run.frames[-1].ids), made.tensor)
    for other in ({}, {"negative_text": "green"}, {"negative_text": "blue", "text": "a cat"}):
        assert not torch.equal(prior.sample(2, **{**how, "style": "noto", **other}), made.tensor)
    settings = Run(prior, asked).settings[1]
    assert (settings["text"], settings["negative_text"]) == ("a red heart", "blue")
    again = wish_of(json.loads(json.dumps(settings)), prior)
    assert again.told == {"text": "a red heart", "negative_text": "blue", "style": "noto"}
    assert unsaid(settings, again, prior) == []
    for change, message in (
        ({"told": {"negative_text": "blue"}, "guidance": 1.0}, "negative_text is what guidance goes away from"),
        ({"told": {"style": "nato"}}, "did you mean 'noto'"), ({"told": {"tekst": "a"}}, "trained without tekst"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Run(prior, replace(asked, **change))


def test_what_is_left_empty_is_left_open(asking):
    _, prior, asked = asking
    told = {"text": "  ", "negative_text": "", "style": None, "label": None}
    assert Run(prior, replace(asked, told=told)).settings == Run(prior, replace(asked, told={})).settings


def test_the_judge_of_a_page_keeps_the_best_of_several_draws(asking, tmp_path):
    shelf, prior, asked = asking
    run = Run(prior, replace(asked, best_of=3), best_of=shelf.best_of(3))
    assert [frame.evaluations for frame in run.steps()] == [6.0, 12.0, 18.0, 24.0]
    assert run.described(9).endswith("the best of 3 draws each, done")
    how = {"sampler": "MaskGIT", "steps": 4, "temperature": 0.5, "guidance": 2.0, "seed": 3, "style": "noto"}
    made = prior(2, **how, text="a red heart", negative_text="blue", best_of=3, judge=shelf.judge)
    paths = [path for path, _ in run.save(tmp_path)]
    assert torch.equal(torch.stack([read_png(path) for path in paths]), made.tensor)
    assert [read(path) for path in paths] == made.settings and wish_of(made.settings[0], prior).best_of == 3
    many = {**made.settings[0], "best_of": 9}
    assert shelf.best_of(1) is None and unsaid(many, wish_of(many, prior), prior) == ["best_of"]
    with pytest.raises(ValueError, match="no judge that chooses among draws; `lightgen app --judge P`"):
        Shelf().best_of(2)
    with pytest.raises(ValueError, match="a judge needs words"):
        Run(prior, replace(asked, told={"style": "noto"}), best_of=shelf.best_of(2))
    with pytest.raises(ValueError, match="16 pictures, the best of 5 each, are more than the 64 draws"):
        replace(asked, num_images=16, best_of=5)


def test_what_a_form_cannot_say_is_named(prior):
    made = prior(1, recipe=prior.recipe.replace(warps=Warps(0.5, top_k=9)), canvas=(1, 2), label="Flags").settings[0]
    assert unsaid(made, wish_of(made, prior), prior) == ["warps.top_k", "canvas"]
    liked = prior(1, label="Flags").settings[0]
    more = {"like": "cat.png:0.5", "neighbours": "tokens", "weighed": {"label": 0.5}}
    assert unsaid(liked | more, wish_of(liked | more, prior), prior) == ["like", "neighbours", "weighed"]


def test_a_painted_picture_keeps_what_is_known(prior, tmp_path):
    image = prior.sample(1, seed=9)[0]
    pixels = torch.ones(64, 64, dtype=torch.bool)
    pixels[16:40, 16:40] = False
    known = known_region(prior, image, pixels, 1)
    run = Run(prior, wish(told={}, num_images=1), known, composite=True, margin=1)
    for _ in run.steps():
        pass
    (path, _), *_ = run.save(tmp_path)
    made, settings = read_png(path), read(path)
    assert torch.equal(made[:, pixels], image[:, pixels]) and not torch.equal(made, image)
    assert settings["command"] == "inpaint" and settings["composite"] is True and settings["margin"] == 1
    hole = Image.fromarray(np.where(pixels.numpy(), 0, 255).astype(np.uint8))
    how = {"sampler": "MaskGIT", "steps": 4, "temperature": 0.5, "guidance": 2.0, "seed": 3}
    assert torch.equal(made, prior.inpaint(lightgen.to_pil(image[None])[0], hole, composite=True, **how)[0])
