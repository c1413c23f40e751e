"""Whole pictures changed without a mask: every sampler from a part-noised state, and the real command."""

import json
import shlex
import shutil

import pytest
import torch
from pictures import picture
from stubs import TableNetwork, denoiser, interface
from test_cli_errors import mistake
from test_recorded import Recorder
from test_samplers import DIFFUSIONS, DRAWS, ERROR, FITTING, JOINT

import lightgen
from lightgen.checkpoint import KEY, save
from lightgen.cli.main import main
from lightgen.editing import noised, start_of
from lightgen.figures import GAP, LINE, read_png
from lightgen.functional.random import Noise
from lightgen.given import own_filter, read_masked
from lightgen.guidance import ConstantGuidance
from lightgen.networks import CausalTransformer, Transformer
from lightgen.prior import Prior
from lightgen.processes import SUNDAE as SUNDAEProcess
from lightgen.processes import Absorbing, Causal, MaskReplace, Uniform
from lightgen.processes.base import DENOISER
from lightgen.recipe import Recipe
from lightgen.samplers import (
    SUNDAE,
    Ancestral,
    Autoregressive,
    EBSampler,
    Halton,
    Loop,
    MaskGIT,
    PredictorCorrector,
    Purity,
    RandomOrder,
    ReMDM,
    Renoise,
)
from lightgen.samplers.recorded import Player
from lightgen.schedules import Power
from lightgen.tokenizers import PixelTokenizer

SMALL = {"dim": 16, "depth": 1, "heads": 1, "dim_head": 16}
STEPS = 10
CLEAN = Noise.of(9, 5).integers(0, 0, 16, 256)


def small(process, sampler, network=Transformer):
    """An untrained prior of 4 x 4 pixels, with a critic where the sampler needs one."""
    torch.manual_seed(0)
    made = process(256)
    layout = PixelTokenizer(4).layout
    networks = {role: made.interface(layout, None, role) for role in (DENOISER, *sampler.needs)}
    networks = {role: network(one, **SMALL) for role, one in networks.items()}
    for one in networks.values():
        torch.nn.init.normal_(one.to_logits[-1].weight)
    return Prior(PixelTokenizer(4), networks.pop(DENOISER), made, Recipe(sampler), networks).eval()


def edited(prior, strength, index=range(5), **more):
    noise = Noise(3, torch.tensor(list(index)))
    ids, start = noised(prior, CLEAN[noise.index], strength, noise)
    return prior.sample_ids(noise, ids_BN=ids, start=start, **more)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
def test_strength_0_is_the_picture_and_1_is_sampling(sampler, process):
    prior = small(process, sampler(*[STEPS][: sampler is not EBSampler]))
    nothing, everything = edited(prior, 0.0), edited(prior, 1.0)
    assert torch.equal(nothing.ids, CLEAN) and nothing.trace.rows == [] and not nothing.trace.evaluations.any()
    plain = prior.sample_ids(Noise.of(3, 5))
    assert torch.equal(everything.ids, plain.ids)
    assert torch.equal(everything.trace.evaluations, plain.trace.evaluations)


@pytest.mark.parametrize(("sampler", "process"), FITTING)
def test_in_between_it_takes_its_share_of_the_steps(sampler, process):
    prior = small(process, sampler(*[STEPS][: sampler is not EBSampler]))
    seen = []
    found = edited(prior, 0.3, on_step=lambda step, ids: seen.append(step))
    assert found.ids.min() >= 0 and found.ids.max() < 256
    most, noise = prior.recipe.sampler.num_evaluations(16) / STEPS, noised(prior, CLEAN, 0.3, Noise.of(3, 5))
    if sampler is EBSampler:
        assert torch.equal(found.trace.evaluations, (noise[0] == 256).sum(1))
    else:
        # A picture may rest before; a schedule that masks most tokens to the last has less to do.
        left = {Halton: 2, MaskGIT: 2}.get(sampler, 4 if process is Uniform else 3)
        assert seen == list(range(STEPS - len(seen), STEPS)) and len(seen) <= left
        assert len(seen) == left or sampler in (SUNDAE, lightgen.samplers.TokenCritic)
        assert (found.trace.evaluations <= left * most + 2).all()
    if sampler.revises == "no":
        destroyed = noise[0] == 256
        assert torch.equal(found.ids[~destroyed], CLEAN[~destroyed]) and 0.1 < destroyed.float().mean() < 0.5
    assert torch.equal(edited(prior, 0.3, [2]).ids[0], found.ids[2])


@pytest.mark.parametrize(
    ("sampler", "process"),
    [(Ancestral(64), p) for p in DIFFUSIONS]
    + [(PredictorCorrector(64), MaskReplace), (ReMDM(64), Absorbing), (ReMDM(64, Loop()), Absorbing)]
    + [(RandomOrder(32, Power()), Absorbing), (EBSampler(0.0), Absorbing)],
)  # fmt: skip
def test_with_a_perfect_network_true_pictures_stay_true(sampler, process):
    """The edits of draws from the truth are draws from it, if the sampler takes the noise for what it is."""
    made, noise = process(3), Noise.of(1, DRAWS)
    clean = JOINT.states[torch.searchsorted(JOINT.probability.cumsum(0), noise.uniform(0, 50, 1).squeeze(1).double())]
    half = torch.full_like(noise.index, 0.5, dtype=torch.float64)
    noisy = made.corrupt(clean, half, noise)
    denoise = JOINT.denoiser(made, reads_time=True if process is SUNDAEProcess else None)
    found = sampler(denoise, noisy, None, noise, start=0.5).ids
    assert JOINT.distance(found) < 1.5 * ERROR
    assert 0.05 < (found != clean).float().mean() < 0.5


@pytest.mark.parametrize("sampler", [Ancestral, PredictorCorrector, Renoise, SUNDAE, Purity])
def test_a_network_that_reads_the_time_is_told_where_the_picture_stands(sampler):
    process = MaskReplace if sampler is Purity else Uniform
    prior, told = small(process, sampler(STEPS)), []
    forward = prior.network.forward
    prior.network.forward = lambda ids, time, context: (told.append(time[0].item()), forward(ids, time, context))[1]
    start = start_of(prior, 0.37)
    edited(prior, 0.37)
    share = 1 - prior.process.noise_level(torch.tensor([start], dtype=torch.float64)).kept.item()
    assert share == pytest.approx(0.37, abs=1e-8) and told[0] == pytest.approx(start, abs=1e-6)
    assert told == sorted(told, reverse=True) and told[-1] < told[0]


def test_known_tokens_never_change_in_an_edit():
    prior, noise = small(SUNDAEProcess, SUNDAE(STEPS)), Noise.of(3, 5)
    ids, start = noised(prior, CLEAN, 0.5, noise)
    known = torch.arange(16).expand(5, 16) % 3 == 0
    found = prior.sample_ids(noise, ids_BN=torch.where(known, CLEAN, ids), known_BN=known, start=start).ids
    assert torch.equal(found[known], CLEAN[known]) and not torch.equal(found, CLEAN)


def test_a_played_edit_is_the_same():
    player = Player(Recorder())
    for sampler, process in ((Purity(20), MaskReplace), (Ancestral(20), Uniform)):
        made = process(5)
        denoise = denoiser(TableNetwork(6, 5), 5, (3, 4), process=made, reads_time=False)
        for start in (0.8, 0.7):
            noise = Noise.of(0, 3)
            ids = made.corrupt(CLEAN[:3, :12] % 5, torch.full((3,), start).double(), noise)
            plain, played = (sampler.iterate(denoise, ids, None, noise, player=p, start=start) for p in (None, player))
            assert torch.equal(plain.run().ids, played.run().ids)
    assert len(player.recordings) == 4


def test_a_sampler_of_before_that_had_a_start_is_one_without(tmp_path):
    prior = small(Absorbing, Ancestral(4))
    save(prior, tmp_path / "new.ckpt")
    contents = torch.load(tmp_path / "new.ckpt", weights_only=True)
    contents[KEY]["component"]["arguments"]["recipe"]["arguments"]["sampler"]["arguments"]["start"] = 1.0
    torch.save(contents, tmp_path / "old.ckpt")
    assert torch.equal(lightgen.load(tmp_path / "old.ckpt").sample(2), prior.sample(2))


def test_what_cannot_be_edited_is_refused_in_words(prior_checkpoint):
    prior = lightgen.load(prior_checkpoint)
    image = torch.zeros(3, 16, 16, dtype=torch.uint8)
    for given, message in (
        ({"strength": 1.5}, r"strength must be in \[0, 1\], not 1.5"),
        ({"strength": "much"}, r"strength must be in \[0, 1\], not 'much'"),
        ({"strength": float("nan")}, r"strength must be in \[0, 1\], not nan"),
        ({"images": image[:, :8]}, r"of shape \(P, 3, 16, 16\) or \(3, 16, 16\), not torch.uint8 \(3"),
        ({"images": image.float()}, "not torch.float32"),
        ({"images": "cat.png"}, "images must be a tensor, or one or several pictures of Pillow, not 'cat.png'"),
        ({"images": []}, r"not \[\]"),
        ({"num_images": 0}, "num_images must be a whole number of at least 1, not 0"),
        ({"sampler": "MaskGIT"}, "MaskGIT does not fit a prior trained with uniform noise"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            prior.edit(**{"images": image, **given})
    with pytest.raises(ValueError, match="start below 1 begins from a picture, which is given as ids_BN"):
        prior.sample_ids(Noise.of(0, 2), start=0.5)
    with pytest.raises(ValueError, match=r"start must be in \[0, 1\], not 2"):
        prior.sample_ids(Noise.of(0, 2), start=2.0)


def test_an_autoregressive_prior_names_the_samplers_that_can():
    network = CausalTransformer(interface(257, 256, (4, 4)), **SMALL)
    prior = Prior(PixelTokenizer(4), network, Causal(256), Recipe(Autoregressive()))
    with pytest.raises(
        ValueError, match="causal noise writes each token once, and cannot begin from a picture"
    ) as error:
        prior.edit(torch.zeros(1, 4, 4, dtype=torch.uint8))
    named = str(error.value).partition(" can, by ")[2].split(", ")
    assert {"Ancestral", "EBSampler", "MaskGIT", "SUNDAE"} <= set(named) and "Autoregressive" not in named


@pytest.fixture
def files(tmp_path, prior_checkpoint):
    """Pictures of another size than the prior's, one of them transparent, and a guided prior."""
    prior = lightgen.load(prior_checkpoint)
    recipe = Recipe(SUNDAE(5, min_steps=1), guidance=ConstantGuidance(3.0))
    save(Prior(prior.tokenizer, prior.network, prior.process, recipe), tmp_path / "prior.ckpt")
    (tmp_path / "pictures").mkdir()
    picture(0, (32, 40)).save(tmp_path / "pictures" / "a.png")
    see_through = picture(1, (16, 16)).convert("RGBA")
    see_through.putalpha(60)
    see_through.save(tmp_path / "pictures" / "b.png")
    return tmp_path


def edit(files, out, *more, num=2):
    args = ["edit", "--ckpt_path", str(files / "prior.ckpt"), "--out", str(files / out), *more]
    assert main([*args, "--accelerate", "off"]) == 0
    found = torch.stack([read_png(path) for path in sorted((files / out).glob("0*.png"))])
    record = json.loads((files / out / "edit.json").read_text())
    assert len(found) == num == record["num_images"] == len(record["images"])
    return found, record


def test_edit_command(files, capsys):
    prior = lightgen.load(files / "prior.ckpt")
    images = torch.stack([read_masked(files / "pictures" / f"{n}.png", None, (16, 16), 3, "lanczos")[0] for n in "ab"])
    folder = ["--image", str(files / "pictures"), "--num_images", "1"]
    same, record = edit(files, "same", *folder, "--strength", "0")
    assert torch.equal(same, prior.decode(prior.encode(images))) and record["evaluations"] == [0, 0]
    assert "2 pictures by SUNDAE, 0 steps (the last of 5), 0 network evaluations each" in capsys.readouterr().out

    one = ["--image", str(files / "pictures" / "a.png"), "--image", str(files / "pictures" / "b.png")]
    asked = ["--strength", "0.6", "--label", "1", "2", "--num_images", "2", "--seed", "4"]
    _, record = edit(files, "found", *one, *asked, num=8)
    assert "3 steps (the last of 5), 6 network evaluations each (2 a step, for guidance)" in capsys.readouterr().out
    assert record["guidance"]["arguments"]["scale"] == 3 and set(record["evaluations"]) == {6}
    assert [path[-5] for path in record["images"]] == list("aabbaabb") and record["strength"] == 0.6
    # The title has two lines.
    assert read_png(files / "found" / "sheet.png").shape == (
        3,
        2 * LINE + GAP + 2 * (128 + LINE + GAP) - GAP,
        6 * 130 - GAP,
    )
    again = prior.edit(images.repeat_interleave(2, 0), 0.6, 8, label=[1, 2] * 4, seed=4)
    by_number = torch.stack([read_png(next((files / "found").glob(f"{i:06d}*.png"))) for i in range(8)])
    assert torch.equal(by_number, again)

    # Each says how it is made alone, from its own picture.
    (made,) = (files / "found").glob("000006*.png")
    assert main(["show", str(made)]) == 0
    said, command, then = capsys.readouterr().out.splitlines()
    assert f"picture 6 of seed 4, class 1, {files / 'pictures' / 'b.png'} edited by 0.6, by SUNDAE" in said
    words = shlex.split(command)
    assert words[:2] == ["lightgen", "edit"] and words[-2:] == ["--out", "again"] and "again/000006.png" in then
    assert main([*words[1:-1], str(files / "again")]) == 0
    assert torch.equal(read_png(files / "again" / "000006.png"), again[6])
    assert main(["edit", "--from", str(made), "--seed", "5", "--num_images", "1", "--out", str(files / "varied")]) == 0
    assert json.loads((files / "varied" / "edit.json").read_text())["seed"] == 5

    # With nothing asked for, neither class nor guidance; with all destroyed, what sampling gives.
    plain, record = edit(files, "plain", *folder, "--strength", "1")
    assert record["guidance"] is None and set(record["evaluations"]) == {5}
    recipe, condition = prior.recipe.replace(guidance=None), prior.unconditional(2)
    assert torch.equal(plain, prior.decode(prior.sample_ids(Noise.of(0, 2), recipe, condition).ids))
    # The same folder for something else is refused.
    again = ["edit", "--ckpt_path", str(files / "prior.ckpt"), *folder, "--out", str(files / "plain")]
    assert "holds pictures made with strength 1.0, not 0.4" in mistake(capsys, again)


def test_bad_input_of_the_command_is_one_line(files, capsys):
    (files / "empty").mkdir()
    (files / "broken.png").write_bytes(b"no picture")
    shutil.copy(files / "pictures" / "a.png", files / "a.png")
    common = ["edit", "--ckpt_path", str(files / "prior.ckpt"), "--out", str(files / "out")]
    for more, message in (
        ([], "--image is needed"),
        (["--image", str(files / "a.png"), "--strength", "-0.1"], "strength must be in [0, 1], not -0.1"),
        (["--image", str(files / "a.png"), "--strength", "much"], "--strength"),
        (["--image", str(files / "empty")], f"there are no pictures in {files / 'empty'}"),
        (["--image", str(files / "none.png")], f"no picture at {files / 'none.png'}"),
        (["--image", str(files / "broken.png")], "broken.png cannot be read as a picture"),
        (["--image", str(files / "a.png"), "--canvas", "1x2"], "--canvas means nothing"),
    ):
        assert message in mistake(capsys, [*common, *more])
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("data: {class_path: X, init_args: {resize: box}}", "box"),
        ("data: {class_path: Y, init_args: {data: {class_path: X, init_args: {resize: bicubic}}}}", "bicubic"),
        *((config, "lanczos") for config in (None, "", "data: [", "[1, 2]", 3, "data: 3")),
    ],
)  # fmt: skip
def test_the_filter_of_a_checkpoint_whatever_its_config_says(config, expected, prior_checkpoint, tmp_path):
    contents = torch.load(prior_checkpoint, weights_only=True)
    contents[KEY]["config"] = config
    torch.save(contents, tmp_path / "last.ckpt")
    assert own_filter(str(tmp_path / "last.ckpt")) == expected
