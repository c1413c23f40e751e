"""Sampling from a prior: the same pictures in every batch, known tokens, labels, and the real command."""

import json
import signal

import pytest
import torch
from PIL import Image

import lightgen
from lightgen.callbacks import Generation
from lightgen.checkpoint import save
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.figures import read_png
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.metrics.features import EfficientNetLite0
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.warps import Warps


@pytest.fixture(scope="module")
def prior(prior_checkpoint):
    return lightgen.load(prior_checkpoint)


def test_load_gives_pictures(prior):
    images = prior.sample(5, Recipe(lightgen.samplers.SUNDAE(steps=3)), seed=0)
    assert images.shape == (5, 3, 16, 16) and images.dtype == torch.uint8
    assert not torch.equal(images, prior.sample(5, Recipe(lightgen.samplers.SUNDAE(steps=3)), seed=1))


@pytest.mark.parametrize("steps", [1, 5, 40])
def test_picture_i_of_a_seed_is_the_same_in_batches_of_1_3_and_64(prior, steps):
    recipe = Recipe(lightgen.samplers.SUNDAE(steps, min_steps=1))
    found = [prior.sample(7, recipe, seed=3, batch_size=size) for size in (1, 3, 64)]
    for others in found[1:]:
        # With torch 2.7 a pixel may be rounded otherwise; another token would change 48 values.
        apart = (others.int() - found[0].int()).abs()
        assert apart.max() <= 1 and apart.sum() < 10


def test_pictures_of_one_colour_are_warned_of(prior_checkpoint, tmp_path, capsys, monkeypatch):
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "4", "--out", str(tmp_path / "out")]
    assert main(args) == 0
    assert "of one colour" not in capsys.readouterr().err
    colour = torch.tensor([255, 250, 240]).byte()[:, None, None]
    monkeypatch.setattr(Prior, "decode", lambda self, ids, canvas=None: colour.expand(len(ids), 3, 8, 8))
    assert main(args) == 0
    assert "4 of 4 pictures are of one colour" in capsys.readouterr().err


def test_known_tokens_survive_and_the_others_are_sampled(prior):
    noise = Noise.of(0, 4)
    ids = noise.integers(9, 0, 16, 16)
    known = torch.arange(16) % 3 == 0
    out = prior.sample_ids(noise, ids_BN=ids, known_BN=known.expand(4, 16)).ids
    assert torch.equal(out[:, known], ids[:, known]) and not torch.equal(out, ids)


def test_labels(prior):
    noise = Noise.of(0, 200)
    drawn = prior.completed(None, noise)
    assert set(drawn.tensors["label"].tolist()) == {0, 1, 2}
    assert prior.completed(prior.condition(2, 200), noise).tensors["label"].unique().tolist() == [2]
    with pytest.raises(ValueError, match=r"label must be in \[0, 2\], or 3 for no class, not 9"):
        prior.completed(prior.condition(9, 200), noise)
    with pytest.raises(ValueError, match="label must have a row for each of 200 pictures, not 2"):
        prior.completed(prior.condition(1, 2), noise)
    with pytest.raises(ValueError, match=r"label must be in .* not 9"):
        prior.sample_ids(noise, negative=prior.condition(9, 200))
    with pytest.raises(ValueError, match="there must be ids_BN"):
        prior.sample_ids(noise, known_BN=torch.ones(200, 16, dtype=torch.bool))
    with pytest.raises(ValueError, match="text was given, but this prior was trained without text"):
        prior.completed(Condition({"text": torch.ones(200).long()}), noise)


def test_sample_command_writes_what_load_samples(prior, prior_checkpoint, tmp_path, capsys):
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "5", "--batch_size", "2", "--seed", "4"]
    swap = ["--sampler", "SUNDAE", "--sampler.steps", "6", "--warps.temperature", "0.5", "--label", "1", "--animate"]
    assert main([*args, *swap, "--out", str(tmp_path)]) == 0
    expected = prior.sample(5, Recipe(lightgen.samplers.SUNDAE(6), Warps(0.5)), seed=4, label=1)
    for i in range(5):
        assert torch.equal(read_png(tmp_path / f"{i:06d}.png"), expected[i])
    record = json.loads((tmp_path / "samples.json").read_text())
    assert record["sampler"]["arguments"]["steps"] == 6 and record["sampler"]["arguments"]["min_steps"] == 10
    assert record["warps"]["arguments"]["temperature"] == 0.5
    assert (record["seed"], record["label"], record["evaluations"]) == (4, 1, [6] * 5)
    assert record["seconds"] > 0 and {"torch", "lightgen", "git"} <= record.keys()
    with Image.open(tmp_path / "steps.gif") as animation:
        assert animation.n_frames == 7
    assert capsys.readouterr().out.startswith(
        "5 pictures of rectangle by SUNDAE, 6 steps, 6 network evaluations each, "
    )
    assert main([*args, "--dtype", "bfloat16", "--out", str(tmp_path / "narrow")]) == 0
    assert capsys.readouterr().out.startswith("accelerate off, bfloat16 weights: ")


def test_guidance_can_be_chosen_on_the_command_line(prior, prior_checkpoint, tmp_path, capsys):
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "2", "--label", "1"]
    assert main([*args, "--guidance", "LinearGuidance", "--guidance.scale", "4", "--out", str(tmp_path)]) == 0
    expected = prior.sample(2, prior.recipe.replace(guidance=lightgen.guidance.LinearGuidance(4.0)), label=1)
    assert torch.equal(read_png(tmp_path / "000001.png"), expected[1])
    record = json.loads((tmp_path / "samples.json").read_text())
    assert record["guidance"]["name"] == "LinearGuidance" and record["guidance"]["arguments"]["scale"] == 4.0
    # Both branches at each of four steps, the first among them, where the scale is still 1.
    assert record["evaluations"] == [8, 8]
    assert "4 steps, 8 network evaluations each (2 a step, for guidance)" in capsys.readouterr().out


def test_null_is_no_guidance_and_not_the_prior_s_own(prior, tmp_path):
    recipe = prior.recipe.replace(guidance=ConstantGuidance(6.0))
    guided = Prior(prior.tokenizer, prior.network, prior.process, recipe)
    save(guided, tmp_path / "guided.ckpt")
    args = ["sample", "--ckpt_path", str(tmp_path / "guided.ckpt"), "--num_images", "4"]
    found = []
    for out, more in (("own", []), ("null", ["--guidance", "null"])):
        assert main([*args, *more, "--out", str(tmp_path / out)]) == 0
        pictures = torch.stack([read_png(tmp_path / out / f"{i:06d}.png") for i in range(4)])
        found.append((pictures, json.loads((tmp_path / out / "samples.json").read_text())))
    plain = torch.equal(found[1][0], guided.sample(4, recipe.replace(guidance=None)))
    assert plain and not torch.equal(found[0][0], found[1][0])
    assert found[0][1]["guidance"]["arguments"]["scale"] == 6.0 and found[1][1]["guidance"] is None


def test_ctrl_c_while_sampling_is_an_interruption_and_not_a_failure(prior_checkpoint, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Prior, "iterate", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    try:
        assert main(["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path)]) == 130
    finally:
        signal.signal(signal.SIGINT, handler)
    assert capsys.readouterr().err.endswith("lightgen: interrupted; give the same command again to go on\n")


def test_own_sampler_is_the_default_and_its_steps_can_be_changed(prior_checkpoint, tmp_path):
    assert main(["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "1", "--out", str(tmp_path)]) == 0
    own = json.loads((tmp_path / "samples.json").read_text())["sampler"]["arguments"]
    assert (own["steps"], own["min_steps"]) == (4, 2)


def test_a_sampler_swap_takes_in_a_fit_that_goes_on(prior_checkpoint, tokenizer_checkpoint, tmp_path):
    """Lightning would merge a checkpoint's hyperparameters over the command line, had they been saved."""
    root = tmp_path / "run"
    args = ["--config", "tiny.yaml", "--model.tokenizer", str(tokenizer_checkpoint), "--trainer.enable_progress_bar",
            "false", "--ckpt_path", str(prior_checkpoint)]  # fmt: skip
    more = ["--trainer.max_steps", "22", "--trainer.default_root_dir", str(root), "--model.recipe.sampler.steps", "9"]
    assert main(["fit", *args, *more]) == 0
    assert lightgen.load(root / "last.ckpt").recipe.sampler.steps == 9


def test_the_checkpoint_holds_the_config_of_its_run(prior_checkpoint):
    contents = torch.load(prior_checkpoint, weights_only=True)
    assert "class_path: lightgen.modules.PriorModule" in contents["lightgen"]["config"].replace("prior.", "")
    assert "default_root_dir" in contents["lightgen"]["config"]


def test_generation_says_at_once_that_its_numbers_are_too_small():
    for name in ("num_images", "batch_size", "every_n_validations"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
            Generation(**{name: 0})
    with pytest.raises(ValueError, match="num_images must be above 3, the neighbours of precision"):
        Generation(num_images=3, features=EfficientNetLite0(32))
    Generation(num_images=3)
