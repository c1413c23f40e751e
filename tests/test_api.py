"""What people type in Python: names that show themselves, classes by name, samplers by name, and one line of reply."""

import subprocess
import sys
from functools import partial

import pytest
import torch
from PIL import Image

import lightgen
from lightgen.checkpoint import export, load, save
from lightgen.cli.main import main
from lightgen.functional.pictures import to_pil, to_tensor
from lightgen.functional.random import Noise
from lightgen.guidance import LinearGuidance
from lightgen.labels import class_numbers
from lightgen.samplers import MaskGIT, Renoise
from lightgen.types import NEUTRAL

HEAVY = ("lightning", "timm", "torchmetrics", "torchvision", "matplotlib", "scipy", "jsonargparse", "lightgen.data",
         "lightgen.metrics", "lightgen.losses", "lightgen.cli")  # fmt: skip


def test_the_api_shows_itself_and_nothing_else():
    assert {"load", "zoo", "to_pil", "Prior", "Recipe", "samplers", "guidance", "__version__"} <= set(dir(lightgen))
    assert not {"Any", "annotations", "importlib", "TYPE_CHECKING"} & set(dir(lightgen))
    for name in dir(lightgen):
        assert getattr(lightgen, name)
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        _ = lightgen.lod


def test_what_loads_a_prior_imports_what_it_needs():
    code = (
        "import sys, lightgen; assert 'torch' not in sys.modules; dir(lightgen)\n"
        "assert 'torch' not in sys.modules; lightgen.load('zoo:icons64-sundae').sample(1, steps=1)\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # And says nothing.
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_zoo_is_listed_by_names_that_load():
    assert "zoo:icons64-sundae" in lightgen.zoo() and all(map(str.strip, lightgen.zoo().values()))
    for name in lightgen.zoo():
        loaded = load(name)
        # A prior that makes the pictures of another finer knows no classes.
        assert (getattr(loaded, "classes", None) or ["Activities"])[0] == "Activities"


def test_the_zoo_knows_texts_and_styles():
    prior = lightgen.load("zoo:icons64-causal")
    assert "noto" in prior.categories["style"] and len(prior.classes) == 9
    hearts, circles = (prior.sample(4, text=text, style="noto") for text in ("red heart", "blue circle"))
    (red, _, blue), (less_red, _, more_blue) = (images.float().mean((0, 2, 3)) for images in (hearts, circles))
    assert red - blue > 20 > less_red - more_blue
    assert torch.equal(prior.sample(1, text="Red  heart", style="noto"), hearts[:1])


@pytest.fixture(scope="module")
def masked():
    return lightgen.load("zoo:icons64-absorbing")


@pytest.fixture(scope="module")
def uniform():
    return lightgen.load("zoo:icons64-sundae")


def test_a_prior_says_in_a_line_what_it_is(uniform):
    assert repr(uniform) == (
        "Prior(SUNDAE process, 8x8 tokens of 1024, 64x64 pixels, label, style, text, Recipe(sampler=SUNDAE(steps=32, "
        "update=0.5, min_steps=10, patience=2, unchanged='written'), warps=Warps(temperature=0.5), "
        "guidance=ConstantGuidance(scale=2.0)))"
    )


def test_conveniences_change_the_own_recipe_and_no_more_of_it(uniform, masked):
    own = uniform.recipe
    changed = uniform.chosen(steps=8, temperature=0.5, guidance=3)
    assert (changed.sampler.steps, changed.sampler.update, changed.sampler.min_steps) == (8, 0.5, 10)
    assert (changed.warps.temperature, changed.guidance.scale) == (0.5, 3.0) and own.sampler.steps == 32
    assert uniform.chosen() is own or repr(uniform.chosen()) == repr(own)
    by_name = uniform.chosen(sampler="Renoise", steps=5).sampler
    assert isinstance(by_name, Renoise) and by_name.steps == 5
    assert isinstance(uniform.chosen(own.replace(guidance=LinearGuidance(4.0)), guidance=2).guidance, LinearGuidance)
    kwargs = {"sampler": MaskGIT(4), "temperature": 0.5, "guidance": 1}
    recipe = masked.recipe.changed(**kwargs)
    assert torch.equal(masked.sample(2, **kwargs), masked.sample(2, recipe))
    assert torch.equal(masked.sample(2, steps=4, guidance=1), masked.sample(2, masked.unguided.changed(steps=4)))


def test_labels_by_name_by_number_and_one_for_each(uniform):
    sample = partial(uniform.sample, 3, steps=2, batch_size=2)
    flags = sample(label="Flags")
    assert torch.equal(flags, sample(label=2))
    several = sample(label=["Symbols", 2, 9])
    assert torch.equal(several, sample(label=torch.tensor([7, 2, 9])))
    # In batches of another size a value may be rounded to its neighbour.
    assert (several.int() - sample(label=["Symbols", 2, 9], batch_size=3).int()).abs().max() <= 1
    assert torch.equal(several[1], flags[1]) and not torch.equal(several, flags)
    assert class_numbers(1, 2, None) == [1, 1]
    with pytest.raises(ValueError, match="this prior knows its classes by number only"):
        class_numbers("Flags", 2, None)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sampler": "MaskGit"}, "no sampler is called 'MaskGit'; did you mean 'MaskGIT'?"),
        ({"sampler": "DDIM"}, "no sampler is called 'DDIM'; these fit a prior trained with uniform noise: Ancestral, "
                              "ArgmaxUnrolled, PredictorCorrector, Renoise, SUNDAE"),
        ({"sampler": "MaskGIT"}, "the sampler MaskGIT does not fit a prior trained with uniform noise; these do: "),
        ({"sampler": 3}, "sampler must be a Sampler or the name of one, not 3"),
        ({"steps": 8.5}, "steps must be a whole number, not 8.5"),
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"temperature": "hot"}, "temperature must be a number, not 'hot'"),
        ({"guidance": "strong"}, "guidance must be a Guidance or its scale, not 'strong'"),
        ({"recipe": Renoise(3)}, "recipe must be a Recipe, not Renoise(steps=3)"),
        ({"label": "Flagz"}, "no class is called 'Flagz'; did you mean 'Flags'?"),
        ({"label": 99}, "label must be in [0, 8], or 9 for no class, not 99; there are 0 Activities, 1 Animals"),
        ({"label": 1.5}, "label must be the number or the name of a class, not 1.5"),
        ({"label": [1]}, "label must be one class, or one for each of 2 pictures, not 1"),
        ({"num_images": "2"}, "num_images must be a whole number of at least 1, not '2'"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1, not 0"),
        ({"seed": "x"}, "seed must be a whole number, not 'x'"),
        ({"canvas": 2}, "canvas must be (rows, columns) in windows, not 2"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(uniform, given, message):
    with pytest.raises(ValueError) as error:
        uniform.sample(**{"num_images": 2, **given})
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_no_steps_where_a_sampler_takes_none():
    with pytest.raises(ValueError, match="Autoregressive takes no arguments, and no steps"):
        lightgen.load("zoo:icons64-causal").sample(1, steps=8)


def test_every_step_can_be_looked_at(masked):
    seen = []
    masked.sample(3, batch_size=2, steps=4, on_step=lambda step, ids: seen.append((step, len(ids))))
    assert seen == [(step, rows) for rows in (2, 1) for step in range(4)]


def test_tokens_that_are_not_written_are_grey_and_the_others_as_they_will_be(masked):
    ids = masked.sample_ids(Noise.of(0, 2)).ids
    whole, mask = masked.decode(ids), masked.layout().mask
    assert torch.equal(masked.decode(torch.full_like(ids, mask)), torch.full_like(whole, NEUTRAL))
    hidden = ids.view(2, 8, 8).clone()
    hidden[0, 5:] = mask
    shown = masked.decode(hidden.flatten(1))
    assert (shown[0, :, 40:] == NEUTRAL).all() and torch.equal(shown[1], whole[1])
    # Normalisation sees the whole picture, so it is not to the bit what it will be.
    assert (shown[0, :, :32].float() - whole[0, :, :32].float()).abs().mean() < 6
    # A lone token has its own colours, whatever would stand for those around it.
    lone = torch.full((1, 64), mask)
    lone[0, 9] = ids[0, 9]
    uniform = masked.decode(ids[:1, 9:10].expand(1, 64))
    assert torch.equal(masked.decode(lone)[0, :, 8:16, 8:16], uniform[0, :, 8:16, 8:16])


@pytest.mark.parametrize("name", ["absorbing", "mask-replace", "causal"])
def test_an_animation_of_a_prior_with_mask(name, tmp_path):
    more = [] if name == "causal" else ["--sampler.steps", "3"]
    args = ["sample", "--ckpt_path", f"zoo:icons64-{name}", "--num_images", "2", "--animate", "--out", str(tmp_path)]
    assert main([*args, *more]) == 0
    with Image.open(tmp_path / "steps.gif") as animation:
        assert animation.n_frames == (65 if name == "causal" else 4)
        share = []
        for frame in (0, animation.n_frames - 1):
            animation.seek(frame)
            grey = to_tensor(animation.convert("RGB"), animation.size[::-1], 3, "box") == NEUTRAL
            share.append(float(grey.all(0).float().mean()))
    assert share[0] > 0.6 and share[1] < 0.02


def test_steps_beyond_the_number_of_tokens_are_named(tmp_path, capsys):
    args = ["sample", "--ckpt_path", "zoo:icons64-absorbing", "--sampler", "RandomOrder", "--sampler.steps", "1000"]
    assert main([*args, "--num_images", "1", "--guidance", "null", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "RandomOrder, 64 steps (the most for 64 tokens), not 1000, 64 network evaluations each, " in said


def test_classes_by_name_on_the_command_line(tmp_path, capsys, uniform):
    args = ["sample", "--ckpt_path", "zoo:icons64-sundae", "--num_images", "2", "--sampler.steps", "2"]
    named = ["--label", "Food & Drink", "--guidance.negative", "Flags", "--out", str(tmp_path)]
    assert main([*args, *named]) == 0
    recipe = uniform.recipe.changed(steps=2).replace(guidance=type(uniform.recipe.guidance)(2.0, negative=2))
    with Image.open(tmp_path / "000001.png") as found:
        assert torch.equal(to_tensor(found, (64, 64), 3, "box"), uniform.sample(2, recipe, label=3)[1])
    for label in ("Food", "99"):
        assert main([*args, "--label", label, "--out", str(tmp_path / "none")]) == 2
        said = capsys.readouterr().err
        assert "Food & Drink" in said and len(said.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_names_of_classes_go_with_a_checkpoint(prior_checkpoint, tmp_path):
    prior = lightgen.load(prior_checkpoint)
    assert prior.classes is not None and len(prior.classes) == prior.network.conditioner.num_classes == 3
    export(prior_checkpoint, tmp_path / "exported")
    save(prior, tmp_path / "saved.ckpt")
    for path in ("exported", "saved.ckpt"):
        assert lightgen.load(tmp_path / path).classes == prior.classes
    # Of a checkpoint that was written before names were kept.
    contents = torch.load(prior_checkpoint, weights_only=True)
    del contents["lightgen"]["categories"]
    torch.save(contents, tmp_path / "old.ckpt")
    assert lightgen.load(tmp_path / "old.ckpt").classes is None


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_s_pictures_and_back(channels):
    images = torch.randint(0, 256, (2, channels, 4, 6), dtype=torch.uint8)
    pictures = to_pil(images)
    assert torch.equal(torch.stack([to_tensor(picture, (4, 6), channels, "box") for picture in pictures]), images)
    for wrong in (images[0], images.float(), pictures):
        with pytest.raises(ValueError, match="pictures must be a uint8 tensor"):
            to_pil(wrong)
