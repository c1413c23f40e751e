"""Every mistake on the command line is one clear line and exit code 2."""

import errno
import os
import pickle
import subprocess
import sys
import threading

import pytest
import torch
from pictures import picture
from PIL import Image

from lightgen.cli import memory
from lightgen.cli.configs import SUITES, shipped
from lightgen.cli.explain import NO_MEMORY, explained
from lightgen.cli.main import main
from lightgen.cli.output import set_up_output
from lightgen.given import read_masked

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


SAMPLE = ["sample", "--ckpt_path", "zoo:icons64-sundae", "--out", "nowhere"]


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        ([*SAMPLE, "--steps", "8"], "there is no option --steps; did you mean --sampler.steps 8?"),
        ([*SAMPLE, "--device=cuda"], "there is no option --device; did you mean --trainer.accelerator gpu?"),
        (["sample", "--ckpt", "x"], "there is no option --ckpt; did you mean --ckpt_path x?"),
        ([*SAMPLE, "--temperature", "2"], "there is no option --temperature; did you mean --warps.temperature 2?"),
        ([*SAMPLE, "--warps.temp", "2"], "there is no option --warps.temp; did you mean --warps.temperature?"),
        ([*SAMPLE, "--num_images", "3", "4"], "'4' belongs to no option"),
        ([*SAMPLE, "--xyzzy"], "there is no option --xyzzy"),
        ([*SAMPLE, "--guidance", "3"], "must be the name of a class, not 3; did you mean --guidance.scale 3?"),
        ([*SAMPLE, "--sampler", "8"], "must be the name of a class, not 8; did you mean --sampler.steps 8?"),
        ([*SAMPLE, "--sampler", "maskgit"], "no sampler is called 'maskgit'; did you mean 'MaskGIT'?"),
        ([*SAMPLE, "--sampler", "DDIM"], "no sampler is called 'DDIM'; these fit a prior trained with uniform noise: "
         "Ancestral, ArgmaxUnrolled, PredictorCorrector, Renoise, SUNDAE"),
        ([*SAMPLE, "--sampler.step", "8"], "--sampler.step is no option of SUNDAE; did you mean 'steps'?"),
        ([*SAMPLE, "--num_images"], "--num_images needs a value"),
        ([*TINY, "--max_steps", "100"], "there is no option --max_steps; did you mean --trainer.max_steps 100?"),
        ([*TINY, "--trainer.max_step", "100"], "no option --trainer.max_step; did you mean --trainer.max_steps 100?"),
        ([*TINY, "--lr", "1"], "there is no option --lr; did you mean --model.optimizer.lr 1?"),
        ([*TINY, "--data.root", "x"], "--data.root is no option of SyntheticImages, but of IDXImages or ImageFolder: "),
        ([*TINY, "--model.optimizer.lr", "nan"], "--model.optimizer.lr must be a number, not nan"),
        ([*TINY, "--trainer.callbacks", "No"], "cannot be 'No'; classes of torch and Lightning go by their whole path"),
        ([*TINY, "--model.tokenizer.quantizer", "no.Such"], "quantizer cannot be 'no.Such'; there are Codebook, FSQ, "),
        ([*TINY, "--model", "FSQ"], "--model cannot be 'FSQ'; there are PriorModule, ScorerModule, TokenizerModule"),
        ([*TINY, "--data.resize", "blur"], "--data.resize must be lanczos or bicubic or bilinear or box, not blur"),
        ([*TINY, "--trainer.devices", "0"], "--trainer.devices must be at least 1 on a cpu, not 0"),
        ([*TINY, "--trainer.max_time", "8"], "--trainer.max_time must be of the form DD:HH:MM:SS, not 8"),
        ([*TINY, "--trainer.accelerator", "abacus"], "--trainer.accelerator must be one of"),
        ([*TINY, "--trainer.devices", "null"], "--trainer.devices must be at least 1 on a CPU"),
        ([*TINY, "--trainer.max_steps", "null"], "--trainer.max_steps must be a whole number, not null"),
        ([*TINY, "--data.num_images", "null"], "--data.num_images must be a whole number, not null"),
        ([*TINY, "--data.mirror", "null"], "--data.mirror must be true or false, not null"),
        ([*TINY, "--model.optimizer", "null"], "--model.optimizer cannot be 'null'; classes of torch and Lightning go"),
        ([*SAMPLE, "--seed", "null"], "--seed must be a whole number, not null"),
        (["fit"], "give a --config; shipped are celeba256-tokenizer.yaml, "),
        ([*TINY, "--model="], "--model cannot be ''; there are PriorModule, ScorerModule, TokenizerModule"),
        (["validate"], "give a --config; shipped are "),
        (["validate", "--ckpt_path", "x"], "no checkpoint at x"),
        (["bench"], "give a --config; shipped are demo.yaml, "),
        (["sample"], "--ckpt_path is needed: a prior's checkpoint"),
        (["encode"], "--tokenizer is needed: checkpoint of a tokenizer or of a prior"),
        (["sample", "--out", "x"], "--ckpt_path is needed: a prior's checkpoint"),
        (["export"], "--ckpt_path is needed"),
        (["import", "--kind", "x"], "--kind must be one of amused, "),
    ],
)  # fmt: skip
def test_what_was_meant(capsys, args, meant, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    line = mistake(capsys, args)
    assert meant in line
    for word in ("class '", "argument", "rgument --", "Option '", "Misconfiguration", "Parser key", "Union"):
        assert word not in line
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(capsys):
    for args in (SAMPLE, TINY):
        assert "there is no GPU here; leave out --trainer.accelerator" in mistake(
            capsys, [*args, "--trainer.accelerator", "gpu"]
        )


@pytest.mark.parametrize(
    ("option", "value"),
    [("process", "os._exit"), ("optimizer", "os._exit"), ("network", "os.getcwd"), ("process", "fractions.Fraction")],
)
def test_a_config_calls_only_what_lightgen_is_made_of(capsys, tokenizer_checkpoint, option, value):
    line = mistake(capsys, [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), f"--model.{option}", value])
    assert value.rpartition(".")[2] in line
    assert "a config may not call" in line or "cannot be" in line


def test_a_config_without_a_name(capsys):
    for config in (["--config", ""], ["--config="]):
        assert mistake(capsys, ["fit", *config]) == "lightgen: --config needs the name of a file"


@pytest.mark.parametrize("option", ["--config=", "--config", "-c"])
def test_a_config_is_read_as_utf_8_whatever_the_locale(capsys, tmp_path, monkeypatch, option):
    """As where the locale is ASCII: jsonargparse would open a file without saying how."""

    def opened(path, mode="r", *args, encoding=None, **kwargs):
        return builtins_open(path, mode, *args, encoding=encoding or ("ascii" if "b" not in mode else None), **kwargs)

    builtins_open = open
    monkeypatch.setattr("builtins.open", opened)
    own = tmp_path / "été.yaml"
    own.write_text("# été\ndata: {class_path: ImageFolder, init_args: {root: là}}\n", encoding="utf-8")
    given = [option + str(own)] if option.endswith("=") else [option, str(own)]
    assert "no folder or .zip of pictures at là" in mistake(capsys, [*TINY, *given])
    suite = shipped(SUITES) / "smoke.yaml"
    own.write_text(suite.read_text(encoding="utf-8") + "# été\n", encoding="utf-8")
    assert "no option --là" in mistake(capsys, ["bench", *given, "--là", "0"])


@pytest.mark.parametrize("command", [["fit"], ["sample", "--out", "x"]])
def test_files_that_are_no_configs(capsys, tmp_path, command):
    bomb = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    bomb += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    texts = {"bomb": "\n".join(bomb), "itself": "a: &a [*a]", "empty": "", "list": "[1]", "open": "a: ["}
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
        line = mistake(capsys, [*command, "--config", str(tmp_path / f"{name}.yaml")])
        assert f"{name}.yaml is not a config: " in line
    picture(0).save(tmp_path / "picture.png")
    assert "picture.png is not a config" in mistake(capsys, [*command, "--config", str(tmp_path / "picture.png")])
    assert "is a folder, where a config is needed" in mistake(capsys, [*command, "--config", str(tmp_path)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainer: 3", "trainer holds options, as `trainer: {NAME: VALUE}`, and is not 3"),
        ("trainer:", "trainer holds options, as `trainer: {NAME: VALUE}`, and is not None"),
        ("checkpoints: [1]", "checkpoints holds options, as `checkpoints: {NAME: VALUE}`, and is not [1]"),
        ("trainer:\n  max_steps: 3\n  max_steps: 5", "line 3: max_steps stands here for the second time"),
    ],
)
def test_configs_that_would_be_read_otherwise_than_they_look(capsys, tmp_path, text, message):
    (tmp_path / "odd.yaml").write_text(text)
    assert mistake(capsys, [*TINY, "--config", str(tmp_path / "odd.yaml")]).endswith(message)


def test_a_file_where_a_folder_is_needed(capsys, tmp_path, tokenizer_checkpoint):
    (tmp_path / "file").write_text("")
    for command in (
        ["export", "--ckpt_path", str(tokenizer_checkpoint)],
        ["encode", "--tokenizer", str(tokenizer_checkpoint)],
        ["sample", "--ckpt_path", "zoo:icons64-sundae", "--num_images", "1"],
    ):
        for out in (tmp_path / "file", tmp_path / "file" / "deeper"):
            line = mistake(capsys, [*command, "--out", str(out)])
            assert line == f"lightgen: {tmp_path / 'file'} is a file, where a folder is needed"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed_everything: 3", "--data and --model are needed; see lightgen fit --help"),
        ("modell: 3", "there is no option --modell; did you mean --model?"),
        ("trainer: {max_step: 3}", "there is no option --trainer.max_step; did you mean --trainer.max_steps?"),
        ("model: {clas_path: PriorModule}",
         "--model.clas_path is nothing that a component has: that is a class_path, and init_args"),
        ("model: {class_path: PriorModule, init_args: {optimiser: 3}}",
         "--model.optimiser is no option of PriorModule; did you mean 'optimizer'?"),
    ],
)  # fmt: skip
def test_a_key_of_a_config_that_is_none(capsys, tmp_path, text, line):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert mistake(capsys, ["fit", "--config", str(tmp_path / "mine.yaml")]) == f"lightgen: {line}"


def test_pictures_of_another_size_are_told_theirs(capsys, tmp_path, tokenizer_checkpoint):
    picture(0, (16, 16)).save(tmp_path / "0.png")
    data = ["--data", "ImageFolder", "--data.root", str(tmp_path), "--out", str(tmp_path / "out")]
    for command in (["encode", "--tokenizer"], ["reconstruct", "--ckpt_path"]):
        line = mistake(capsys, [*command, str(tokenizer_checkpoint), *data])
        assert line.endswith("for pictures of 16x16, but the data give 256x256; add --data.image_size 16")
    cached = ["--data", "CachedTokens", "--data.cache", str(tmp_path / "cache"), "--data.data", "ImageFolder"]
    prior = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), "--model.conditioner", "null"]
    line = mistake(capsys, [*prior, *cached, "--data.data.root", str(tmp_path)])
    assert line.endswith("but the data give 256x256; add --data.data.image_size 16")


def test_what_does_not_fit_is_said_before_a_network_is_made(capsys, tmp_path, tokenizer_checkpoint, monkeypatch):
    def made(*args, **kwargs):
        raise RuntimeError("a network was made")

    monkeypatch.setattr("lightgen.modules.prior.Prior", made)
    prior = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint)]
    line = mistake(capsys, [*prior, "--data.image_size", "32"])
    assert f"the tokenizer in {tokenizer_checkpoint} is for pictures of 16x16, but the data give 32x32" in line
    assert line.endswith("add --data.image_size 16")
    line = mistake(capsys, [*prior, "--data.channels", "1"])
    assert line.endswith("is for pictures of 3 channels, but the data give 1; add --data.channels 3")
    line = mistake(capsys, [*prior, "--model.conditioner.num_classes", "4"])
    assert "the data have 3 classes, but num_classes of the conditioner is 4" in line
    folder = [*prior, "--data", "ImageFolder", "--data.image_size", "16", "--data.root", str(tmp_path)]
    assert f"no JPEG, PNG or WebP files in {tmp_path}" in mistake(capsys, folder)
    picture(0, (16, 16)).save(tmp_path / "0.png")
    line = mistake(capsys, folder)
    assert "the data have no labels" in line and "--data.labels true" in line and "--model.conditioner null" in line
    assert "a network was made" in mistake(capsys, prior)


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


@pytest.mark.parametrize(("kind", "warned"), [("AVX2", True), ("AVX512", False)])
def test_a_narrow_precision_where_it_is_slow_is_said_to_be(
    capsys, prior_checkpoint, tmp_path, monkeypatch, kind, warned
):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: kind)
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "1", "--out", str(tmp_path / "out")]
    assert main([*sample, "--trainer.precision", "bf16-mixed"]) == 0
    line = "warning: this CPU has no bfloat16, and bf16-mixed takes it several times as long as 32-true"
    assert (line in capsys.readouterr().err) == warned


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_stream_that_is_closed_does_not_end_the_work(closed, tmp_path):
    sample = "-m lightgen sample --ckpt_path zoo:icons64-sundae --num_images 1"
    command = f"{sys.executable} {sample} --out {tmp_path}/out {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "out" / "000000.png").exists()


def test_what_fails_beside_the_work_for_lack_of_room_is_one_line(capsys):
    def full():
        raise OSError(errno.ENOSPC, "No space left on device")

    set_up_output()
    behind = threading.Thread(target=full)
    behind.start()
    behind.join()
    assert capsys.readouterr().err == "warning: something was not written: [Errno 28] No space left on device\n"


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
              torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")],
)  # fmt: skip
def test_too_little_memory_is_one_line(error):
    assert explained(error) == (NO_MEMORY, 1)


def test_wrong_type_and_wrong_value(capsys, tokenizer_checkpoint):
    assert "many" in mistake(capsys, [*TINY, "--data.batch_size", "many"])
    assert "batch_size must be at least 1, not 0" in mistake(capsys, [*TINY, "--data.batch_size", "0"])
    prior = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint)]
    assert mistake(capsys, [*prior, "--model.recipe.sampler.steps", "0"]) == "lightgen: steps must be at least 1, not 0"
    assert (
        mistake(capsys, [*prior, "--model.network.dim", "x"])
        == "lightgen: --model.network.dim must be a whole number, not x"
    )
    line = mistake(capsys, [*TINY, "--trainer.max_steps", "x"])
    assert line == "lightgen: --trainer.max_steps must be a whole number, not x"


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


def test_a_checkpoint_of_a_shipped_config_says_what_makes_it(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = mistake(capsys, ["bench", "--config", "smoke.yaml", "--out", "D"])
    assert line.endswith("no checkpoint at runs/tiny/last.ckpt; `lightgen fit --config tiny.yaml` makes it")
    for path in ("runs/nobody/last.ckpt", "tiny/last.ckpt", "runs/tiny/other.ckpt", "runs/maskgit/last.ckpt"):
        assert mistake(capsys, ["sample", "--ckpt_path", path]) == f"lightgen: no checkpoint at {path}"


def test_missing_checkpoint(capsys, tmp_path):
    assert "no checkpoint at" in mistake(capsys, ["sample", "--ckpt_path", "none.ckpt", "--out", str(tmp_path)])
    assert "no checkpoint at" in mistake(capsys, [*TINY, "--ckpt_path", "none.ckpt"])


def test_missing_and_senseless_options_of_sample(capsys, tmp_path, prior_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out")]
    assert "num_images must be at least 1" in mistake(capsys, [*sample, "--num_images", "0"])
    for value in ("-1", ".nan", ".inf", "1e-38"):
        line = mistake(capsys, [*sample, "--warps.temperature", value])
        assert "temperature must be 0, or a number from 1e-06 on, not" in line
    assert "label must be in [0, 2]" in mistake(capsys, [*sample, "--label", "7"])
    assert "steps must be at least 1, not 0" in mistake(capsys, [*sample, "--sampler.steps", "0"])
    assert not (tmp_path / "out" / "samples.json").exists()


def test_canvas_of_sample(capsys, tmp_path, prior_checkpoint):
    sample = ["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "out"), "--canvas"]
    assert "at least one window, 1x1, not 0x2" in mistake(capsys, [*sample, "0x2"])
    assert "at least one window, 1x1, not 0.5x2" in mistake(capsys, [*sample, "0.5x2"])
    assert "whole cells, 1/4 of a window down and 1/4 across" in mistake(capsys, [*sample, "1.1x2"])
    assert "canvas must be two numbers like 2x1.5, rows first, not big" in mistake(capsys, [*sample, "big"])
    assert "canvas must be two numbers like 2x1.5, rows first, not -1x2" in mistake(capsys, [*sample, "-1x2"])
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
    assert "--guidance.w is no option of ConstantGuidance; there are hidden" in mistake(
        capsys, [*sample, "--guidance", "ConstantGuidance", "--guidance.w", "2"]
    )
    fit = [*PRIOR, "--model.tokenizer", str(tokenizer_checkpoint), "--model.recipe.guidance", "LinearGuidance"]
    line = mistake(capsys, [*fit, "--model.conditioner.dropout", "0"])
    assert "dropout of its condition above 0" in line


def test_a_full_disk_is_said_plainly_and_leaves_no_half_picture(capsys, tmp_path, monkeypatch):
    written = Image.Image.save

    def full(image, *args, **kwargs):
        if (tmp_path / "000001.png").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(image, *args, **kwargs)

    monkeypatch.setattr(Image.Image, "save", full)
    args = ["sample", "--ckpt_path", "zoo:icons64-sundae", "--num_images", "4", "--sampler.steps", "2"]
    args += ["--batch_size", "2", "--out", str(tmp_path)]
    assert main(args) == 1
    assert capsys.readouterr().err == (
        "lightgen: there is no room left: No space left on device; make some, and give the same command again\n"
    )
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["000000.png", "000001.png"]
    monkeypatch.undo()
    assert main(args) == 0 and len([*tmp_path.glob("0*.png")]) == 4


def test_unknown_kind(capsys):
    assert mistake(capsys, ["list", "samplerz"]).endswith("did you mean 'sampler'?")
    assert "did you mean --out x?" in mistake(capsys, ["demo", "--outt", "x"])
    assert "there is no option --quick; see lightgen demo --help" in mistake(capsys, ["demo", "--quick"])
    assert "must be one of bash, zsh, not fish" in mistake(capsys, ["--print_shtab", "fish"])


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    memory.keep_freed_memory()
