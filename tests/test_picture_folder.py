"""A folder holds the pictures of one command line, and of no other."""

import json

import pytest
import torch
from filelock import FileLock
from pictures import picture

import lightgen
from lightgen.cli import picture_folder
from lightgen.cli.main import main
from lightgen.figures import read_png
from lightgen.sampling import PictureFiles


def names(folder):
    return {path.name for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture
def sample(prior_checkpoint, tmp_path, capsys):
    """Runs `lightgen sample` into one folder; the exit code, and what was said."""

    def run(*more):
        out = tmp_path / "out"
        code = main(["sample", "--ckpt_path", str(prior_checkpoint), "--out", str(out), *map(str, more)])
        return code, capsys.readouterr().err, out

    return run


def test_other_settings_are_refused_and_change_nothing(sample):
    _, _, out = sample("--num_images", 3)
    before = {name: (out / name).read_bytes() for name in names(out)}
    for more, reason in (
        (["--num_images", 3, "--seed", 5], "out holds pictures made with seed 0, not 5;"),
        (["--num_images", 2], "out holds 3 pictures, more than the 2 asked for;"),
        (["--num_images", 3, "--label", 1], "made with label None, not 1;"),
        (["--num_images", 3, "--sampler.steps", 3], "made otherwise (see 'sampler' in samples.json);"),
    ):
        code, said, _ = sample(*more)
        assert code == 2 and reason in said and "name another folder with --out, or add --overwrite" in said
    assert {name: (out / name).read_bytes() for name in names(out)} == before


def test_the_same_command_comes_again_and_may_ask_for_more(sample):
    _, _, out = sample("--num_images", 2)
    first = read_png(out / "000001.png")
    assert sample("--num_images", 2, "--batch_size", 1)[0] == 0
    assert sample("--num_images", 4)[0] == 0
    assert torch.equal(read_png(out / "000001.png"), first)
    assert json.loads((out / "samples.json").read_text())["num_images"] == 4
    assert names(out) == {*(f"00000{i}.png" for i in range(4)), "grid.png", "samples.json"}


def test_overwrite_leaves_nothing_of_what_was_there(sample):
    _, _, out = sample("--num_images", 3, "--animate")
    (out / "notes.txt").write_text("mine")
    assert sample("--num_images", 2, "--seed", 5, "--overwrite")[0] == 0
    assert names(out) == {"000000.png", "000001.png", "grid.png", "samples.json", "notes.txt"}
    assert json.loads((out / "samples.json").read_text())["seed"] == 5


def test_another_checkpoint_s_pictures_are_other_pictures(sample, prior_checkpoint, tmp_path, capsys):
    _, _, out = sample("--num_images", 1)
    other = lightgen.load(prior_checkpoint)
    torch.nn.init.zeros_(next(other.network.parameters()))
    lightgen.checkpoint.save(other, tmp_path / "other.ckpt")
    args = ["sample", "--ckpt_path", str(tmp_path / "other.ckpt"), "--num_images", "1", "--out", str(out)]
    assert main(args) == 2
    named = f"out holds pictures made with ckpt_path {prior_checkpoint}, not {tmp_path / 'other.ckpt'};"
    assert named in capsys.readouterr().err
    # The same, before the record is complete; and equal weights under another name are no other pictures.
    record = json.loads((out / "samples.json").read_text())
    lightgen.checkpoint.save(lightgen.load(prior_checkpoint), tmp_path / "equal.ckpt")
    assert main([*args[:2], str(tmp_path / "equal.ckpt"), *args[3:]]) == 0
    (out / "samples.json").write_text(json.dumps({name: record[name] for name in ("num_images", "weights", "seed")}))
    assert main([*args, "--seed", "1"]) == 2
    assert "made with seed 0, not 1" in capsys.readouterr().err


def test_the_record_names_the_checkpoint_from_the_start(tmp_path):
    def hold(weights, **more):
        with picture_folder.writing(tmp_path, "samples.json", {"weights": weights, "seed": 0}, 1, **more):
            (tmp_path / "000000.png").write_bytes(b"killed here")

    hold("0" * 16, ckpt_path="mine.ckpt")
    with pytest.raises(ValueError, match=r"made with ckpt_path mine\.ckpt, not yours\.ckpt;"):
        hold("1" * 16, ckpt_path="yours.ckpt")
    with pytest.raises(ValueError, match=r"made otherwise \(see 'weights' in samples\.json\);"):
        hold("1" * 16, ckpt_path="mine.ckpt")


def test_what_is_left_out_makes_other_pictures_too(sample):
    assert sample("--num_images", 1, "--dtype", "bfloat16")[0] == 0
    code, said, _ = sample("--num_images", 1)
    assert code == 2 and "out holds pictures made with dtype bfloat16, not None;" in said


def test_of_several_differences_one_that_was_typed_is_named(tmp_path):
    made = {"weights": "0" * 16, "sampler": {"class": "SUNDAE"}, "then": [{"class": "Halton"}], "text": "fox" * 100}
    with picture_folder.writing(tmp_path, "samples.json", made, 1):
        (tmp_path / "000000.png").write_bytes(b"")
    other = {"weights": "1" * 16, "sampler": {"class": "MaskGIT"}, "then": None, "text": "cat"}
    for name, said in (("text", r"made with text \w{100}…, not cat;"), ("sampler", "see 'sampler' in"),
                       ("then", "see 'then' in"), ("weights", "see 'weights' in")):  # fmt: skip
        with pytest.raises(ValueError, match=said), picture_folder.writing(tmp_path, "samples.json", other, 1):
            pass
        other[name] = made[name]
    with (
        pytest.raises(ValueError, match="holds pictures made without 'guidance';"),
        picture_folder.writing(tmp_path, "samples.json", {**made, "guidance": {"class": "Sum"}}, 1),
    ):
        pass


def test_a_killed_run_is_gone_on_with_by_the_same_command_alone(sample, monkeypatch):
    whole, write = sample("--num_images", 3, "--batch_size", 1)[2], PictureFiles.write
    expected = {name: (whole / name).read_bytes() for name in names(whole) if name.startswith("0")}

    def killed(self, made):
        if int(made.index[0]) == 1:
            raise RuntimeError("killed")
        write(self, made)

    assert sample("--num_images", 3, "--seed", 1, "--overwrite")[0] == 0
    with monkeypatch.context() as patched:
        patched.setattr(PictureFiles, "write", killed)
        assert sample("--num_images", 3, "--batch_size", 1, "--overwrite")[0] == 1
    assert names(whole) == {"000000.png", "samples.json"}
    assert sample("--num_images", 3, "--seed", 1)[0] == 2
    assert sample("--num_images", 3, "--batch_size", 1)[0] == 0
    assert {name: (whole / name).read_bytes() for name in expected} == expected


def test_pictures_without_a_record_are_refused(sample, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "000007.png").write_bytes(b"whose?")
    code, said, _ = sample("--num_images", 1)
    assert code == 2 and "pictures, and no samples.json that says how they were made" in said


def test_two_at_a_time_are_refused(sample, tmp_path):
    (tmp_path / "out").mkdir()
    with FileLock(tmp_path / "out" / ".lock"):
        code, said, out = sample("--num_images", 1)
    assert code == 2 and "another command is writing to" in said and names(out) == set()
    assert sample("--num_images", 1)[0] == 0


def test_a_folder_that_cannot_be_is_a_mistake_and_no_failure(sample, tmp_path):
    (tmp_path / "out").write_text("a file")
    code, said, _ = sample("--num_images", 1)
    assert code == 2 and "out is a file, where a folder is needed" in said


def test_reconstruct_obeys_the_same_rule_and_has_a_default_folder(
    sample, tokenizer_checkpoint, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    args = ["reconstruct", "--ckpt_path", str(tokenizer_checkpoint), "--num_images"]
    assert main([*args, "3"]) == 0 and (tmp_path / "reconstructed" / "reconstructions.png").is_file()
    assert main([*args, "3"]) == 0
    assert main([*args, "2"]) == 2
    assert "made with num_images 3, not 2" in capsys.readouterr().err
    assert main([*args, "2", "--overwrite"]) == 0
    # Their pictures are not taken for samples.
    _, _, out = sample("--num_images", 1)
    assert main([*args, "2", "--out", str(out)]) == 0 and sample("--num_images", 1)[0] == 0


def test_samples_and_paintings_are_not_mixed(sample, prior_checkpoint, tmp_path, capsys):
    _, _, out = sample("--num_images", 1)
    picture(0, (16, 16)).save(tmp_path / "image.png")
    args = ["inpaint", "--ckpt_path", str(prior_checkpoint), "--image", str(tmp_path / "image.png"), "--canvas", "1x2"]
    assert main([*args, "--num_images", "1", "--out", str(out)]) == 2
    assert "holds what another command made (samples.json)" in capsys.readouterr().err


def test_nothing_is_held_or_left_when_a_block_ends(tmp_path):
    for _ in range(2):
        with picture_folder.writing(tmp_path, "samples.json", {"seed": 0}, 1):
            found = json.loads((tmp_path / "samples.json").read_text())
        assert found == {"num_images": 1, "seed": 0}
