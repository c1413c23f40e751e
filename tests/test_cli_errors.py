"""Every mistake on the command line is one clear line and exit code 2."""

import pickle

import pytest
import torch

from lightgen.cli.main import main

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
    assert "did you mean 'SUNDAE'" in mistake(capsys, [*PRIOR, "--model.sampler", "SUNDEA"])
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path), "--sampler", "SUNDEA"]
    assert "did you mean 'SUNDAE'" in mistake(capsys, args)


@pytest.mark.parametrize("args", [[*TINY, "--trainer.max_stepz", "3"], [*PRIOR, "--model.sampler.stepz", "3"]])
def test_unknown_option(capsys, args):
    assert "stepz" in mistake(capsys, args)


def test_wrong_type_and_wrong_value(capsys, tokenizer_checkpoint):
    assert "many" in mistake(capsys, [*TINY, "--data.batch_size", "many"])
    assert "batch_size must be at least 1, not 0" in mistake(capsys, [*TINY, "--data.batch_size", "0"])
    prior = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint)]
    assert "steps must be at least 1, not 0" in mistake(capsys, [*prior, "--model.sampler.steps", "0"])


def test_grid_that_the_factors_do_not_divide(capsys, tokenizer_checkpoint):
    args = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), "--model.network.factors", "[[3, 2]]"]
    assert "4x4 cannot be divided into blocks of 3x2" in mistake(capsys, args)


def test_missing_data_folder(capsys):
    args = ["fit", "--config", "ffhq256-tokenizer.yaml", "--data.root", "/nowhere/at/all"]
    line = mistake(capsys, args)
    assert "/nowhere/at/all" in line and "--data.root" in line


def test_missing_tokenizer_says_what_to_run(capsys, tmp_path):
    line = mistake(capsys, [*PRIOR, "--model.tokenizer", str(tmp_path / "none.ckpt")])
    assert "none.ckpt" in line and "lightgen fit" in line


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
    assert "out" in mistake(capsys, sample[:3])
    assert "num_images must be at least 1" in mistake(capsys, [*sample, "--num_images", "0"])
    assert "temperature must be at least 0" in mistake(capsys, [*sample, "--warps.temperature", "-1"])
    assert "label must be in [0, 2]" in mistake(capsys, [*sample, "--label", "7"])
    assert "steps must be at least 1, not 0" in mistake(capsys, [*sample, "--sampler.steps", "0"])
    assert not (tmp_path / "out" / "samples.json").exists()


def test_a_sampler_on_the_wrong_noise_is_refused_with_those_that_fit(capsys, tmp_path, prior_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    line = mistake(capsys, [*sample, "--sampler", "MaskGIT"])
    assert "MaskGIT does not fit a prior trained with uniform noise; these do: " in line and "SUNDAE" in line
    assert not (tmp_path / "out").exists()


def test_guidance_on_a_prior_that_was_not_trained_for_it(capsys, tmp_path, prior_checkpoint, tokenizer_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    line = mistake(capsys, [*sample, "--guidance", "ConstantGuidance", "--guidance.negative", "9"])
    assert "negative must be a class in [0, 2], not 9" in line
    assert "'w'" in mistake(capsys, [*sample, "--guidance", "ConstantGuidance", "--guidance.w", "2"])
    fit = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), "--model.guidance", "LinearGuidance"]
    line = mistake(capsys, [*fit, "--model.label_dropout", "0"])
    assert "label_dropout above 0" in line


def test_unknown_kind(capsys):
    assert "there are" in mistake(capsys, ["list", "samplerz"])
    assert "--help" in mistake(capsys, ["demo", "--outt", "x"])
