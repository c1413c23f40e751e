"""Pictures that know what made them: the chunk in a PNG, the command that makes it again, and Python's pictures."""

import json
import shlex
import zlib

import pytest
import torch
from pictures import picture
from PIL import Image

import lightgen
from lightgen.again import read
from lightgen.checkpoint import save
from lightgen.cli.main import main
from lightgen.cli.sample import parser
from lightgen.figures import read_png
from lightgen.functional.embedded import KEYWORD, chunk
from lightgen.settings import NEVER_ASKED, SCHEMA

PRIOR = "zoo:icons64-sundae"


def run(*args, capsys):
    """Exit code, and what was said on both streams."""
    capsys.readouterr()
    code = main([str(arg) for arg in args])
    said = capsys.readouterr()
    return code, said.out, said.err


def pasted(path, capsys):
    """What `lightgen show` prints as the command, as a shell would take it apart."""
    code, out, _ = run("show", path, capsys=capsys)
    assert code == 0
    words = shlex.split(out.splitlines()[1])
    assert words[0] == "lightgen" and words[-2] == "--out"
    return words[1:]


@pytest.fixture(scope="module")
def made(prior_checkpoint, tmp_path_factory):
    """Five pictures in batches of two, by settings of which none is the checkpoint's own."""
    out = tmp_path_factory.mktemp("made")
    swap = ["--sampler", "Ancestral", "--sampler.steps", "3", "--warps.temperature", "0.5", "--warps.top_k", "9",
            "--guidance", "LinearGuidance", "--guidance.scale", "1e-05", "--label", "1"]  # fmt: skip
    args = ["sample", "--ckpt_path", str(prior_checkpoint), "--num_images", "5", "--batch_size", "2", "--seed", "4"]
    assert main([*args, *swap, "--out", str(out)]) == 0
    return out


def test_the_command_that_is_shown_makes_the_same_picture_bit_for_bit(made, tmp_path, monkeypatch, capsys):
    words = pasted(made / "000002.png", capsys)
    # Those of the batches up to its own, and no more.
    assert words[words.index("--num_images") + 1] == "4"
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    again = tmp_path / "again" / "000002.png"
    assert torch.equal(read_png(again), read_png(made / "000002.png"))
    before, after = read(made / "000002.png"), read(again)
    assert {**before, "num_images": 4} == after and before["index"] == 2


def test_settings_in_a_png_are_those_in_the_record(made):
    record = json.loads((made / "samples.json").read_text())
    for name in ("000000.png", "000004.png", "grid.png"):
        found = read(made / name)
        index = found.pop("index", None)
        assert found.items() <= record.items() and index == {"000000.png": 0, "000004.png": 4}.get(name)
    assert record["command"] == "sample" and record["guidance"]["arguments"]["scale"] == 1e-05


def test_show_says_what_a_picture_is(made, capsys):
    _, out, _ = run("show", made / "000001.png", made / "grid.png", capsys=capsys)
    first, _, then, second, _ = out.splitlines()
    assert "picture 1 of seed 4, rectangle, by Ancestral(steps=3" in first and then == "Then it is again/000001.png."
    assert "5 pictures of seed 4" in second


def test_settings_of_a_png_are_varied(made, prior_checkpoint, tmp_path, capsys):
    args = ["sample", "--from", made / "000000.png", "--seed", "7", "--num_images", "1"]
    assert run(*args, "--out", tmp_path, capsys=capsys)[0] == 0
    varied, before = read(tmp_path / "000000.png"), read(made / "000000.png")
    assert {**varied, "seed": 4, "num_images": 5} == before
    prior = lightgen.load(prior_checkpoint)
    recipe = prior.chosen(lightgen.Recipe(lightgen.samplers.Ancestral(3), lightgen.Warps(0.5, top_k=9),
                                          lightgen.guidance.LinearGuidance(1e-05)))  # fmt: skip
    assert torch.equal(read_png(tmp_path / "000000.png"), prior.sample(1, recipe, seed=7, label=1)[0])


def test_a_painted_picture_is_painted_again(prior_checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    picture(0, (16, 16)).save("a cat.png")
    mask = Image.new("L", (16, 16))
    mask.paste(255, (0, 0, 6, 6))
    mask.save("mask.png")
    args = ["inpaint", "--ckpt_path", prior_checkpoint, "--image", "a cat.png", "--mask", "mask.png", "--composite"]
    assert run(*args, "--margin", "0", "--num_images", "2", "--out", "painted", capsys=capsys)[0] == 0
    assert main(pasted("painted/000001.png", capsys)) == 0
    assert torch.equal(read_png(tmp_path / "again" / "000001.png"), read_png(tmp_path / "painted" / "000001.png"))
    assert read(tmp_path / "again" / "sheet.png")["image"] == "a cat.png"
    code, _, err = run("sample", "--from", "painted/000001.png", capsys=capsys)
    assert code == 2 and "made by `lightgen inpaint`; give it to `lightgen inpaint --from`" in err


def test_a_checkpoint_that_moved_or_changed_is_one_line(made, prior_checkpoint, tmp_path, monkeypatch, capsys):
    prior = lightgen.load(prior_checkpoint)
    save(prior, tmp_path / "mine.ckpt")
    monkeypatch.chdir(tmp_path)
    args = ["--num_images", "1", "--out", "out"]
    assert run("sample", "--ckpt_path", "mine.ckpt", *args, capsys=capsys)[0] == 0
    with torch.no_grad():
        next(prior.network.parameters()).add_(1)
    for name, change, reason in (
        ("other", lambda: save(prior, tmp_path / "mine.ckpt"), "mine.ckpt holds other weights now"),
        ("moved", lambda: (tmp_path / "mine.ckpt").rename(tmp_path / "new.ckpt"), "which is not there; say where"),
    ):
        change()
        code, _, err = run("sample", "--from", "out/000000.png", "--out", name, capsys=capsys)
        assert code == 2 and reason in err and len(err.splitlines()) == 1 and not (tmp_path / name).exists()
        code, out, _ = run("show", "out/000000.png", capsys=capsys)
        assert code == 0 and out.splitlines()[-1].startswith("But mine.ckpt ") and "--ckpt_path" in out.splitlines()[-1]
    found = ["--from", "out/000000.png", "--ckpt_path", "new.ckpt", "--out", "found"]
    assert run("sample", *found, capsys=capsys)[0] == 0


SETTINGS = {
    "command": "sample", "ckpt_path": PRIOR, "num_images": 1, "batch_size": 1, "seed": 0, "index": 0,
    "sampler": {"kind": "sampler", "name": "SUNDAE", "arguments": {"steps": 2}}, "guidance": None,
    "warps": {"kind": "warps", "name": "Warps", "arguments": {}},
}  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"command": "rm"}, {"command": ["sample"]}, {"ckpt_path": 3}, {"seed": "0"}, {"num_images": 0}, {"index": 1},
        {"index": -1}, {"sampler": None}, {"sampler": {"kind": "sampler", "name": "os", "arguments": {}}},
        {"sampler": {"kind": "sampler", "name": "SUNDAE", "arguments": {"steps": 0}}}, {"ckpt_path": "a\x1b[2Jb"},
        {"sampler": {"kind": "sampler", "name": "SUNDAE", "arguments": {"no": 1}}}, {"warps": []}, {"guidance": 2},
        {"out": "other"}, {"overwrite": True}, {"config": "x.yaml"}, {"trainer": 1}, {"a b": 1},
        {"layout": "boxes.json"}, {"layout": "[{"}, {"layout": '[{"label": "\\u001b[2J", "box": [0, 0, 1, 1]}]'},
        {"label": "\r"}, {"canvas": "1x2"}, {"accelerate": 3}, {"label": {"a": 1}}, {"precision": []},
        {"in_memory": ["like"]}, {"in_memory": {"rm": "0"}}, {"weighed": {"text": "0.5"}},
        {"weighed": {"\x1b[2J": 0.5}},
    ],
)  # fmt: skip
def test_what_a_stranger_wrote_is_refused(tmp_path, capsys, change):
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png", pnginfo=chunk(SETTINGS))
    assert read(tmp_path / "x.png") == SETTINGS
    Image.new("RGB", (4, 4)).save(tmp_path / "x.png", pnginfo=chunk({**SETTINGS, **change}))
    for command in (["show"], ["sample", "--out", tmp_path / "out", "--from"]):
        code, out, err = run(*command, tmp_path / "x.png", capsys=capsys)
        assert code == 2 and "are damaged" in err and len(err.splitlines()) == 1 and out == ""
    assert not (tmp_path / "out").exists()


def test_options_that_decide_no_picture_are_not_taken_from_a_stranger():
    options = {name[2:].rstrip("+").split(".")[0] for name in parser()._option_string_actions if name.startswith("--")}
    assert options - SCHEMA - {"label", "text", "negative_text", "layout"} == NEVER_ASKED


def test_files_without_settings_are_one_line(made, tmp_path, capsys):
    whole = (made / "000000.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    picture(0, (4, 4)).save(tmp_path / "plain.png")
    picture(0, (4, 4)).save(tmp_path / "photo.jpg")
    start = whole.index(KEYWORD.encode())
    broken = bytearray(whole)
    broken[start + 30] ^= 255
    (tmp_path / "flipped.png").write_bytes(broken)
    length = int.from_bytes(whole[start - 8 : start - 4], "big")
    data = whole[start : start + length].replace(b'{"command"', b'{{command"')
    (tmp_path / "json.png").write_bytes(
        whole[:start] + data + zlib.crc32(b"iTXt" + data).to_bytes(4, "big") + whole[start + length + 4 :]
    )
    for name, message in (
        ("cut.png", "cannot be read as a PNG"), ("text.png", "cannot be read as a PNG"),
        ("photo.jpg", "cannot be read as a PNG"), ("plain.png", "carries no settings"), ("none.png", "is not there"),
        ("flipped.png", ""), ("json.png", "are damaged"), (".", "is a folder, where a file is needed"),
    ):  # fmt: skip
        for command in (["show"], ["sample", "--out", tmp_path / "out", "--from"]):
            code, _, err = run(*command, tmp_path / name, capsys=capsys)
            assert code == 2 and message in err and len(err.splitlines()) == 1, name
    assert run("sample", "--from", capsys=capsys) == (2, "", "lightgen: --from needs a value\n")
    (tmp_path / "c.yaml").write_text(f"from: {made / '000000.png'}\nckpt_path: {PRIOR}\n")
    code, _, err = run("sample", "--config", tmp_path / "c.yaml", capsys=capsys)
    assert code == 2 and "--from stands on the command line, not in a config" in err


def test_python_gives_pictures_that_know_what_made_them(prior_checkpoint, tmp_path, monkeypatch, capsys):
    prior, seen = lightgen.load(prior_checkpoint), []
    asked = {"sampler": "SUNDAE", "steps": 3, "temperature": 0.5, "seed": 7, "batch_size": 2}
    made = prior(3, label=[2, 0, 1], on_step=lambda step, ids: seen.append(step), **asked)
    assert torch.equal(made.tensor, prior.sample(3, label=[2, 0, 1], **asked)) and seen == [0, 1, 2] * 2
    assert [image.size for image in made.images] == [(16, 16)] * 3 and len(made) == 3
    assert [settings["label"] for settings in made.settings] == [2, 0, 1]
    assert made.save(tmp_path / "out") == [tmp_path / "out" / f"00000{i}.png" for i in range(3)]
    # Pillow's own `save` puts them in too, and another format takes no harm.
    made.images[1].save(tmp_path / "cat.png")
    made.images[1].save(tmp_path / "cat.jpg")
    assert read(tmp_path / "cat.png") == read(tmp_path / "out" / "000001.png") == made.settings[1]
    assert made._repr_png_().startswith(b"\x89PNG")
    monkeypatch.chdir(tmp_path)
    assert main(pasted("cat.png", capsys)) == 0
    assert torch.equal(read_png(tmp_path / "again" / "000001.png"), made.tensor[1])
    with pytest.raises(ValueError, match="stepps"):
        prior(1, stepps=3)
    with pytest.raises(ValueError, match="num_images must be a whole number"):
        prior(0)


def test_a_bar_shows_the_steps_where_somebody_looks(prior_checkpoint, monkeypatch, capsys):
    prior = lightgen.load(prior_checkpoint)
    prior(2, steps=3)
    assert capsys.readouterr().out == ""
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "100")):
        monkeypatch.setenv(name, value)
    prior(2, steps=3)
    said = capsys.readouterr().out
    assert "2 pictures" in said and "3/3" in said and "steps" in said


def test_a_prior_is_saved_as_it_is_exported(prior_checkpoint, tmp_path):
    prior = lightgen.load(prior_checkpoint)
    assert prior.to("cpu") is prior
    prior.save_pretrained(tmp_path / "saved")
    again = lightgen.load(tmp_path / "saved")
    assert torch.equal(again.sample(2, seed=3), prior.sample(2, seed=3)) and again.classes == prior.classes
    assert main(["export", "--ckpt_path", str(prior_checkpoint), "--out", str(tmp_path / "exported")]) == 0
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("saved", "exported")]
    assert weights[0] == weights[1]
