"""Every mistake on the command line is one clear line and exit code 2."""

import pickle

import pytest
import torch
from pictures import picture
from PIL import Image

from lightgen.cli import memory
from lightgen.cli.main import main
from lightgen.data.masked import read_masked

TINY = ["fit", "--config", "tiny-tokenizer.yaml", "--trainer.enable_progress_bar", "false"]
PRIOR = ["fit", "--config", "tiny.yaml", "--trainer.enable_progress_bar", "false"]


def mistake(capsys, args):
    """The one line that a command says about its arguments."""
    code = main(args)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert (code, len(lines)) == (2, 1), lines
    assert "Traceback" not in lines[0] and lines[0].startswith("lightgen: ")
    return lines[0]


def test_unknown_command(capsys):
    assert "did you mean 'sample'" in mistake(capsys, ["smaple"])
    assert "there are fit" in mistake(capsys, ["xyzzy"])


def test_unknown_config_names_the_nearest(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "did you mean 'ffhq256.yaml'" in mistake(capsys, ["fit", "--config", "fhq256.yaml"])


@pytest.mark.parametrize(
    ("option", "value", "near"),
    [("--data", "Emojy", "Emoji"), ("--model.tokenizer.quantizer", "FSK", "FSQ"), ("--model", "TokenizrModule", "Tok")],
)
def test_unknown_class_names_the_nearest(capsys, option, value, near):
    line = mistake(capsys, [*TINY, option, value])
    assert repr(value) in line and near in line


def test_unknown_sampler_in_fit_and_in_sample(capsys, prior_checkpoint, tmp_path):
    assert "did you mean 'SUNDAE'" in mistake(capsys, [*PRIOR, "--model.recipe.sampler", "SUNDEA"])
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path), "--sampler", "SUNDEA"]
    assert "did you mean 'SUNDAE'" in mistake(capsys, args)


@pytest.mark.parametrize("args", [[*TINY, "--trainer.max_stepz", "3"], [*PRIOR, "--model.recipe.sampler.stepz", "3"]])
def test_unknown_option(capsys, args):
    assert "stepz" in mistake(capsys, args)


def test_classes_of_data_and_model_must_agree(capsys, tokenizer_checkpoint, tmp_path):
    prior = [
        *PRIOR,
        "--model.tokenizer",
        str(tokenizer_checkpoint),
        "--trainer.default_root_dir",
        str(tmp_path / "run"),
    ]
    for number in ("2", "4"):
        assert main([*prior, "--model.conditioner.num_classes", number]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert f"lightgen: the data have 3 classes, but num_classes of the conditioner is {number}" in line
    for i in range(20):
        picture(i, (16, 16)).save(tmp_path / f"{i}.png")
    data = ["--data", "ImageFolder", "--data.root", str(tmp_path), "--data.image_size", "16"]
    assert main([*prior, *data, "--model.conditioner.num_classes", "3"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "lightgen: the data have no labels, but num_classes of the conditioner is 3" in line


def test_weights_of_half_precision_are_refused(capsys, prior_checkpoint, tmp_path):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    for args in ([*TINY, "--trainer.default_root_dir", str(tmp_path)], sample):
        assert main([*args, "--trainer.precision", "bf16-true"]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert "precision must be one of 32-true, bf16-mixed, 16-mixed, not bf16-true" in line


def test_wrong_type_and_wrong_value(capsys, tokenizer_checkpoint):
    assert "many" in mistake(capsys, [*TINY, "--data.batch_size", "many"])
    assert "batch_size must be at least 1, not 0" in mistake(capsys, [*TINY, "--data.batch_size", "0"])
    prior = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint)]
    assert mistake(capsys, [*prior, "--model.recipe.sampler.steps", "0"]) == "lightgen: steps must be at least 1, not 0"
    assert mistake(capsys, [*prior, "--model.network.dim", "x"]) == "lightgen: model.network.dim must be int, not x"
    assert mistake(capsys, [*TINY, "--trainer.max_steps", "x"]) == "lightgen: trainer.max_steps must be int, not x"


def test_grid_that_the_factors_do_not_divide(capsys, tokenizer_checkpoint):
    args = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), "--model.network.factors", "[[3, 2]]"]
    assert "4x4 cannot be divided into blocks of 3x2" in mistake(capsys, args)


def test_missing_data_folder(capsys):
    args = ["fit", "--config", "ffhq256-tokenizer.yaml", "--data.root", "/nowhere/at/all"]
    line = mistake(capsys, args)
    assert "/nowhere/at/all" in line and "--data.root" in line


def test_missing_tokenizer_says_what_to_run(capsys, tmp_path):
    line = mistake(capsys, [*PRIOR, "--model.tokenizer", str(tmp_path / "none.ckpt")])
    assert "none.ckpt" in line and "lightgen fit --config ffhq256-tokenizer.yaml" in line
    line = mistake(capsys, [*PRIOR, "--model.tokenizer", "runs/emoji64-tokenizer/last.ckpt"])
    assert "lightgen fit --config emoji64-tokenizer.yaml" in line


class _Evil:
    def __reduce__(self):
        return (open, (_Evil.path, "w"))


@pytest.mark.parametrize("command", ["sample", "resume"])
def test_pickled_code_is_refused_and_not_run(capsys, tmp_path, command):
    _Evil.path = str(tmp_path / "executed")
    path = tmp_path / "evil.ckpt"
    torch.save({"state_dict": {}, "lightgen": _Evil()}, path)
    args = ["sample", "--out", str(tmp_path / "out")] if command == "sample" else TINY
    line = mistake(capsys, [*args, "--ckpt_path", str(path)])
    assert "pickled code" in line
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("content", [b"", b"hello", pickle.dumps([1, 2])])
@pytest.mark.parametrize("command", ["sample", "resume"])
def test_a_file_that_is_no_checkpoint(capsys, tmp_path, content, command):
    path = tmp_path / "bad.ckpt"
    path.write_bytes(content)
    args = ["sample", "--out", str(tmp_path / "out")] if command == "sample" else TINY
    assert str(path) in mistake(capsys, [*args, "--ckpt_path", str(path)])


def test_checkpoints_of_others_and_of_the_other_stage(capsys, tmp_path, tokenizer_checkpoint, prior_checkpoint):
    path = tmp_path / "foreign.ckpt"
    torch.save({"state_dict": {}, "epoch": 3}, path)
    out = ["--out", str(tmp_path / "out")]
    assert "not a checkpoint that lightgen wrote" in mistake(capsys, ["sample", "--ckpt_path", str(path), *out])
    line = mistake(capsys, ["sample", "--ckpt_path", str(tokenizer_checkpoint), *out])
    assert "holds a tokenizer, where a prior is needed" in line
    line = mistake(capsys, [*PRIOR, "--model.tokenizer", str(prior_checkpoint)])
    assert "holds a prior, where a tokenizer is needed" in line


def test_missing_checkpoint(capsys, tmp_path):
    assert "no checkpoint at" in mistake(capsys, ["sample", "--ckpt_path", "none.ckpt", "--out", str(tmp_path)])
    assert "no checkpoint at" in mistake(capsys, [*TINY, "--ckpt_path", "none.ckpt"])


def test_missing_and_senseless_options_of_sample(capsys, tmp_path, prior_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    assert "num_images must be at least 1" in mistake(capsys, [*sample, "--num_images", "0"])
    assert "temperature must be at least 0" in mistake(capsys, [*sample, "--warps.temperature", "-1"])
    assert "label must be in [0, 2]" in mistake(capsys, [*sample, "--label", "7"])
    assert "steps must be at least 1, not 0" in mistake(capsys, [*sample, "--sampler.steps", "0"])
    assert not (tmp_path / "out" / "samples.json").exists()


def test_canvas_of_sample(capsys, tmp_path, prior_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out"), "--canvas"]
    assert "at least one window, 1x1, not 0x2" in mistake(capsys, [*sample, "0x2"])
    assert "at least one window, 1x1, not 0.5x2" in mistake(capsys, [*sample, "0.5x2"])
    assert "whole cells, 1/4 of a window down and 1/4 across" in mistake(capsys, [*sample, "1.1x2"])
    assert "canvas must be two numbers like 2x1.5, rows first, not big" in mistake(capsys, [*sample, "big"])
    assert not (tmp_path / "out").exists()


def test_inpaint(capsys, tmp_path, prior_checkpoint):
    image, mask, white, small = (tmp_path / f"{name}.png" for name in ("image", "mask", "white", "small"))
    picture(0, (16, 16)).save(image)
    for path, size, colour in ((mask, 16, "black"), (white, 16, "white"), (small, 8, "black")):
        Image.new("L", (size, size), colour).save(path)
    (tmp_path / "text.png").write_text("no picture")
    common = ["inpaint", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    painting = [*common, "--image", str(image)]
    assert "image" in mistake(capsys, common)
    assert "a --mask is needed" in mistake(capsys, painting)
    assert "--place means nothing" in mistake(capsys, [*painting, "--mask", str(mask), "--place", "0,0"])
    assert "nothing to paint" in mistake(capsys, [*painting, "--mask", str(mask)])
    assert "with margin 1 the mask leaves no token known" in mistake(capsys, [*painting, "--mask", str(white)])
    assert "as large as the picture, 16x16, not 8x8" in mistake(capsys, [*painting, "--mask", str(small)])
    assert "no picture at" in mistake(capsys, [*painting, "--mask", str(tmp_path / "none.png")])
    unreadable = ["--image", str(tmp_path / "text.png"), "--mask", str(mask)]
    assert "text.png cannot be read as a picture" in mistake(capsys, [*common, *unreadable])
    assert "at least one window" in mistake(capsys, [*painting, "--canvas", "1x0.5"])
    outside = [*painting, "--canvas", "2x2", "--place", "1,2"]
    assert "place must be in [0, 1], [0, 1] on this canvas, not 1,2" in mistake(capsys, outside)
    assert "margin must be at least 0" in mistake(capsys, [*painting, "--mask", str(mask), "--margin", "-1"])
    assert not (tmp_path / "out").exists()


def test_pictures_of_more_channels_than_files_have(tmp_path):
    picture(0).save(tmp_path / "image.png")
    with pytest.raises(ValueError, match="gives 1 or 3 channels, but this prior makes 4"):
        read_masked(tmp_path / "image.png", None, (16, 16), 4, "lanczos")


def test_a_sampler_on_the_wrong_noise_is_refused_with_those_that_fit(capsys, tmp_path, prior_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    line = mistake(capsys, [*sample, "--sampler", "MaskGIT"])
    assert "MaskGIT does not fit a prior trained with uniform noise; these do: " in line and "SUNDAE" in line
    assert not (tmp_path / "out").exists()


def test_guidance_on_a_prior_that_was_not_trained_for_it(capsys, tmp_path, prior_checkpoint, tokenizer_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    line = mistake(capsys, [*sample, "--guidance", "ConstantGuidance", "--guidance.negative", "9"])
    assert "negative: label must be in [0, 2], or 3 for no class, not 9" in line
    assert "'w'" in mistake(capsys, [*sample, "--guidance", "ConstantGuidance", "--guidance.w", "2"])
    fit = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), "--model.recipe.guidance", "LinearGuidance"]
    line = mistake(capsys, [*fit, "--model.conditioner.dropout", "0"])
    assert "dropout of its condition above 0" in line


def test_unknown_kind(capsys):
    assert "there are" in mistake(capsys, ["list", "samplerz"])
    assert "--help" in mistake(capsys, ["demo", "--outt", "x"])


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    memory.keep_freed_memory()
