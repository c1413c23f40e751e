"""Masks from pixels to tokens, pictures that are known in part, and the real command."""

import json

import numpy as np
import pytest
import torch
from pictures import picture
from PIL import Image

import lightgen
from lightgen.checkpoint import save
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.data.pictures import to_tensor
from lightgen.figures import GAP, LINE, enlarged, read_png
from lightgen.functional.masks import dilate, erode, token_mask
from lightgen.functional.random import Noise
from lightgen.given import read_masked
from lightgen.guidance import ConstantGuidance
from lightgen.inpainting import SUPPORT, known_region
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.samplers import SUNDAE, Ancestral
from lightgen.types import NEUTRAL
from lightgen.warps import Warps

GENERATOR = np.random.default_rng(0)


def holes(shape, num=3):
    """(H, W) False in some small rectangles."""
    known = np.ones(shape, bool)
    for _ in range(num):
        top, left = GENERATOR.integers(0, shape[0] - 2), GENERATOR.integers(0, shape[1] - 2)
        known[top : top + GENERATOR.integers(1, 4), left : left + GENERATOR.integers(1, 4)] = False
    return torch.from_numpy(known)


@pytest.mark.parametrize(
    ("shape", "factor"), [((8, 12), (4, 4)), ((12, 8), (2, 4)), ((6, 4), (1, 1)), ((16, 16), (16, 2))]
)
def test_a_cell_is_known_if_all_its_pixels_are(shape, factor):
    known = holes(shape)
    found = token_mask(known, factor)
    assert found.shape == (shape[0] // factor[0], shape[1] // factor[1])
    for i, j in np.ndindex(*found.shape):
        block = known[i * factor[0] : (i + 1) * factor[0], j * factor[1] : (j + 1) * factor[1]]
        assert bool(found[i, j]) == bool(block.all())


@pytest.mark.parametrize("margin", [0, 1, 2])
def test_a_margin_grows_in_all_eight_directions(margin):
    mask = ~holes((9, 11), 2)
    grown = dilate(mask, margin)
    for i, j in np.ndindex(9, 11):
        near = mask[max(0, i - margin) : i + margin + 1, max(0, j - margin) : j + margin + 1]
        assert bool(grown[i, j]) == bool(near.any())
    assert torch.equal(erode(~mask, margin), ~grown)


def save_mask(known, path):
    """White where not known."""
    Image.fromarray(np.where(known.numpy(), 0, 255).astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("resize", SUPPORT)
@pytest.mark.parametrize("size", [(24, 24), (9, 17), (40, 33), (48, 64)])
def test_known_pixels_do_not_depend_on_hidden_ones_whatever_the_resizing(tmp_path, resize, size):
    known = torch.ones(48, 64, dtype=torch.bool)
    known[20:31, 25:33] = False
    mask = save_mask(known, tmp_path / "mask.png")
    seen = []
    for seed in (1, 2):
        array = np.array(picture(0, (64, 48)))
        array[~known.numpy()] = np.random.default_rng(seed).integers(0, 256, (88, 3))
        Image.fromarray(array).save(tmp_path / "image.png")
        seen.append(read_masked(tmp_path / "image.png", mask, size, 3, resize))
    (first, pixels), (second, again) = seen
    assert torch.equal(pixels, again) and pixels.any() and not pixels.all()
    assert torch.equal(first[:, pixels], second[:, pixels]) and not torch.equal(first, second)
    assert pixels.float().mean() > 0.3
    if size == (48, 64):
        assert torch.equal(pixels, known)


def test_masks_of_any_mode(tmp_path):
    picture(0, (6, 4)).save(tmp_path / "image.png")
    white = np.zeros((4, 6), bool)
    white[1, 2] = True
    grey = Image.fromarray(np.where(white, 255, 0).astype(np.uint8))
    transparent = Image.new("RGBA", (6, 4), "black")
    transparent.putalpha(Image.fromarray(np.where(white, 0, 255).astype(np.uint8)))
    deep = Image.fromarray(np.where(white, 65535, 300).astype(np.uint16))
    for drawn in (
        grey,
        grey.convert("1"),
        grey.convert("RGB"),
        grey.convert("P"),
        grey.convert("LA"),
        transparent,
        deep,
    ):
        drawn.save(tmp_path / "mask.png")
        _, pixels = read_masked(tmp_path / "image.png", tmp_path / "mask.png", (4, 6), 3, "lanczos")
        assert torch.equal(pixels, ~torch.from_numpy(white)), drawn.mode


def test_a_turned_picture_and_its_mask_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(0, (6, 4)).save(tmp_path / "image.png", exif=exif)
    known = torch.ones(6, 4, dtype=torch.bool)
    known[0, 1] = False
    image, pixels = read_masked(tmp_path / "image.png", save_mask(known, tmp_path / "mask.png"), (6, 4), 3, "lanczos")
    assert torch.equal(pixels, known)
    assert torch.equal(image, to_tensor(picture(0, (6, 4)).rotate(-90, expand=True), (6, 4), 3, "lanczos"))


def test_deep_pictures_keep_their_shades():
    shades = np.array([[0, 257 * 100, 65535]], np.uint16)
    assert to_tensor(Image.fromarray(shades), (1, 3), 1, "box").tolist() == [[[0, 100, 255]]]


@pytest.fixture(scope="module")
def prior(prior_checkpoint):
    return lightgen.load(prior_checkpoint)


def image_of(seed=0):
    return to_tensor(picture(seed), (16, 16), 3, "lanczos")


def one_hole():
    pixels = torch.ones(16, 16, dtype=torch.bool)
    pixels[1, 2] = False
    return pixels


def test_what_is_hidden_cannot_change_a_token(prior):
    pixels, first = one_hole(), image_of()
    second = torch.where(pixels, first, 255 - first)
    found, again = (known_region(prior, image, pixels, 0) for image in (first, second))
    assert torch.equal(found.ids, again.ids) and torch.equal(found.tokens, again.tokens)
    assert found.tokens.view(4, 4).logical_not().nonzero().tolist() == [[0, 0]]
    grey = torch.where(pixels, first, NEUTRAL)
    assert torch.equal(found.ids, prior.encode(grey[None]))
    assert known_region(prior, first, pixels, 1).tokens.sum() == 12


@pytest.mark.parametrize("sampler", [SUNDAE(5), Ancestral(5)])
def test_known_tokens_are_the_encoded_ones_at_the_end(prior, sampler):
    known = known_region(prior, image_of(), one_hole())
    ids = prior.sample_ids(Noise.of(0, 3), Recipe(sampler), None, *known.rows(3)).ids
    assert torch.equal(ids[:, known.tokens[0]], known.ids[:, known.tokens[0]].expand(3, -1))
    assert len(ids.unique(dim=0)) > 1


@pytest.mark.parametrize(("canvas", "at", "first"), [((2, 2), None, (2, 2)), ((1.5, 2), (0.5, 0.25), (2, 1))])
def test_a_picture_on_a_canvas(prior, canvas, at, first):
    image = image_of()
    known = known_region(prior, image, torch.ones(16, 16, dtype=torch.bool), 1, canvas, at)
    layout = prior.layout(canvas)
    h, w = layout.grid
    expected = torch.zeros(h, w, dtype=torch.bool)
    expected[first[0] : first[0] + 4, first[1] : first[1] + 4] = True
    assert torch.equal(known.tokens.view(h, w), expected)
    assert torch.equal(known.ids[known.tokens], prior.encode(image[None])[0])
    top, left = 4 * first[0], 4 * first[1]
    assert known.image.shape == (3, 4 * h, 4 * w) and known.pixels.sum() == 256
    assert torch.equal(known.image[:, top : top + 16, left : left + 16], image)
    assert known.pixels[top : top + 16, left : left + 16].all()
    assert torch.equal(known.shown(layout), torch.where(known.pixels, known.image, NEUTRAL))


def test_senseless_parts_are_refused(prior):
    everything = torch.ones(16, 16, dtype=torch.bool)
    with pytest.raises(ValueError, match="nothing to paint"):
        known_region(prior, image_of(), everything)
    with pytest.raises(ValueError, match="with margin 1 the mask leaves no token known"):
        known_region(prior, image_of(), ~everything)
    with pytest.raises(ValueError, match="margin must be at least 0, not -1"):
        known_region(prior, image_of(), one_hole(), -1)
    with pytest.raises(ValueError, match=r"must be \(3, 16, 16\) and \(16, 16\), not \(1, 16, 16\)"):
        known_region(prior, image_of()[:1], one_hole())


@pytest.fixture
def files(tmp_path):
    """A picture of another size than the prior's, and a mask with a hole at the top left."""
    picture(0, (32, 40)).save(tmp_path / "image.png")
    known = torch.ones(40, 32, dtype=torch.bool)
    known[4:10, :6] = False
    save_mask(known, tmp_path / "mask.png")
    return tmp_path


def inpaint(prior_checkpoint, files, out, *more):
    args = ["inpaint", "--ckpt_path", str(prior_checkpoint), "--image", str(files / "image.png"), *more]
    assert main([*args, "--num_images", "3", "--out", str(files / out)]) == 0
    record = json.loads((files / out / "inpaint.json").read_text())
    return torch.stack([read_png(files / out / f"{i:06d}.png") for i in range(3)]), record


def test_inpaint_command(prior, prior_checkpoint, files, capsys):
    mask = ["--mask", str(files / "mask.png")]
    options = [
        "--label",
        "2",
        "--seed",
        "5",
        "--sampler",
        "SUNDAE",
        "--sampler.steps",
        "6",
        "--warps.temperature",
        "0.5",
    ]
    found, record = inpaint(prior_checkpoint, files, "out", *mask, *options)
    image, pixels = read_masked(files / "image.png", files / "mask.png", (16, 16), 3, "lanczos")
    known = known_region(prior, image, pixels)
    how = (Recipe(SUNDAE(6), Warps(0.5)), Condition({"label": torch.tensor([2, 2, 2])}))
    assert torch.equal(found, prior.decode(prior.sample_ids(Noise.of(5, 3), *how, *known.rows(3)).ids))
    assert record["known_tokens"] == int(known.tokens.sum()) and 0 < record["known_tokens"] < record["tokens"] == 16
    assert (record["margin"], record["composite"], record["canvas"], record["resize"]) == (1, False, None, "lanczos")
    assert record["sampler"]["arguments"]["steps"] == 6 and record["label"] == 2 and "git" in record
    assert "sheet.png" in capsys.readouterr().out
    sheet = read_png(files / "out" / "sheet.png")
    # Under a title, and under their captions, each pixel as a square.
    top, step = 2 * LINE + GAP, 128 + GAP
    assert sheet.shape == (3, top + 128, 5 * step - GAP)
    assert torch.equal(sheet[:, top:, :128], enlarged(image))
    assert torch.equal(sheet[:, top:, 4 * step :], enlarged(found[2]))

    # The same command with other pixels under the mask, and those that are known put back.
    array = np.array(Image.open(files / "image.png"))
    array[4:10, :6] = 0
    Image.fromarray(array).save(files / "image.png")
    again, _ = inpaint(prior_checkpoint, files, "again", *mask, *options)
    assert torch.equal(found, again)
    put_back, record = inpaint(prior_checkpoint, files, "back", *mask, *options, "--composite", "--batch_size", "2")
    assert record["composite"] and pixels.any()
    assert torch.equal(put_back, torch.where(pixels, image, found))
    # The panel beside the original shows what results keep: whole cells, or all that was put back.
    kept = {"out": known.shown(prior.layout()), "back": torch.where(pixels, image, NEUTRAL)}
    for name, panel in kept.items():
        shown = read_png(files / name / "sheet.png")
        assert torch.equal(shown[:, top:, step : step + 128], enlarged(panel)), name
    assert not torch.equal(kept["out"], kept["back"])
    assert not torch.equal(found[:, :, pixels], image[:, pixels].expand(3, -1, -1))


def test_outpaint_command(prior, prior_checkpoint, files):
    found, record = inpaint(prior_checkpoint, files, "out", "--canvas", "2x1.5", "--place", "1,0.5", "--composite")
    image, _ = read_masked(files / "image.png", None, (16, 16), 3, "lanczos")
    assert found.shape == (3, 3, 32, 24)
    assert torch.equal(found[:, :, 16:, 8:], image.expand(3, -1, -1, -1))
    assert len(found[:, :, :16].flatten(1).unique(dim=0)) > 1
    assert (record["place"], record["canvas"]["cells"], record["known_tokens"]) == ("1,0.5", [8, 6], 16)
    assert read_png(files / "out" / "sheet.png").shape == (3, 2 * LINE + GAP + 4 * 32, 5 * (4 * 24 + GAP) - GAP)


def test_neither_class_nor_guidance_unless_they_are_named(prior, files):
    guided = Prior(prior.tokenizer, prior.network, prior.process, prior.recipe.replace(guidance=ConstantGuidance(6.0)))
    save(guided, files / "guided.ckpt")
    mask = ["--mask", str(files / "mask.png")]
    plain, record = inpaint(files / "guided.ckpt", files, "plain", *mask)
    assert record["guidance"] is None and record["label"] is None and record["evaluations"] == [4, 4, 4]
    known = known_region(prior, *read_masked(files / "image.png", files / "mask.png", (16, 16), 3, "lanczos"))
    no_class = Condition({"label": torch.tensor([3, 3, 3])})
    expected = prior.sample_ids(Noise.of(0, 3), prior.recipe.replace(guidance=None), no_class, *known.rows(3))
    assert torch.equal(plain, prior.decode(expected.ids))
    named, record = inpaint(files / "guided.ckpt", files, "named", *mask, "--guidance.scale", "2", "--label", "1")
    assert record["guidance"]["arguments"]["scale"] == 2 and record["label"] == 1
    assert record["evaluations"] == [8, 8, 8] and not torch.equal(named, plain)

    # The same from Python, of Pillow's pictures and of tensors.
    pictures = Image.open(files / "image.png"), Image.open(files / "mask.png")
    assert torch.equal(guided.inpaint(*pictures, 3), plain)
    assert torch.equal(guided.inpaint(*pictures, 3, label=1, guidance=2, batch_size=2), named)
    kept = guided.inpaint(known.image, ~known.pixels, 3, composite=True)
    assert torch.equal(kept, known.composite(plain))
    assert torch.equal(guided.inpaint(*pictures, 2, guided.recipe), guided.inpaint(*pictures, 2, guidance=6))
    assert guided.inpaint(pictures[0], canvas=(1, 1.5)).shape == (1, 3, 16, 24)


def test_a_prior_that_never_saw_no_class_is_asked_for_random_ones(prior, monkeypatch):
    monkeypatch.setattr(prior.network.conditioner, "dropout", 0.0)
    assert prior.unconditional(3).tensors == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": "cat.png"}, "image must be a tensor or a picture of Pillow, not str"),
        ({"image": torch.zeros(3, 16, 16)}, "image must be uint8 (C, H, W), not torch.float32 (3, 16, 16)"),
        ({"mask": torch.zeros(16, 16)}, "mask must be bool (H, W), True where to paint, not torch.float32"),
        ({"mask": None}, "without a canvas, a mask is needed"),
        ({"mask": Image.new("L", (8, 8))}, "the mask must be as large as the picture, 16x16, not 8x8"),
        ({"num_images": 0}, "num_images must be a whole number of at least 1, not 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_painted_is_refused_in_words(prior, given, message):
    usual = {"image": image_of(), "mask": ~one_hole()}
    with pytest.raises(ValueError) as error:
        prior.inpaint(**{**usual, **given})
    assert message in str(error.value)
