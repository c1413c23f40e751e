"""From the command line: an index, a prior trained on neighbours and references, pictures like another one."""

import json
import shlex

import pytest
import torch
from pictures import picture
from PIL import Image
from stubs import Pixels

import lightgen
from lightgen.cli.liked import read
from lightgen.cli.main import main
from lightgen.figures import as_tensor, read_png


@pytest.fixture(scope="module")
def trained(tokenizer_checkpoint, tmp_path_factory):
    """A token cache with an index, a prior of each kind, and a picture."""
    root, paths = tmp_path_factory.mktemp("liked"), {}
    index = ["index", "--tokenizer", str(tokenizer_checkpoint), "--features", Pixels.__name__,
             "--features.size", "16", "--neighbours", "3"]  # fmt: skip
    assert main([*index, "--out", str(root / "ids")]) == 0
    parts = {"Neighbours": {"num": 2}, "Picture": {}}
    for name, arguments in parts.items():
        part = {"class_path": name, "init_args": arguments}
        mixed = {
            "class_path": "Mixed",
            "init_args": {"parts": [part, {"class_path": "ClassLabel", "init_args": {"num_classes": 3}}]},
        }
        config = {"model": {"init_args": {"conditioner": mixed}}, "trainer": {"max_steps": 4, "val_check_interval": 2}}
        (root / f"{name}.yaml").write_text(json.dumps(config))
        fit = ["fit", "--config", "tiny.yaml", "--config", str(root / f"{name}.yaml"), "--data", "CachedTokens",
               "--model.tokenizer", str(tokenizer_checkpoint), "--trainer.default_root_dir", str(root / name),
               "--trainer.enable_progress_bar", "false", "--data.cache", str(root / "ids")]  # fmt: skip
        assert main(fit) == 0
        paths[name] = str(root / name / "last.ckpt")
        weights = torch.load(paths[name], weights_only=True)
        torch.manual_seed(0)
        for key in weights["state_dict"]:
            # Four steps have taught it little, and what it is told must change what it draws on every machine.
            if "network" in key and any(part in key for part in ("to_out", "to_kv", "pool", "conditioner")):
                weights["state_dict"][key] = torch.randn_like(weights["state_dict"][key])
        torch.save(weights, paths[name])
    picture(3, (16, 16)).save(root / "cat.png")
    return {**paths, "ids": str(root / "ids"), "cat": str(root / "cat.png")}


def sampled(checkpoint, out, *more):
    assert main(["sample", "--ckpt_path", checkpoint, "--num_images", "3", "--out", str(out), *more]) == 0
    record = json.loads((out / "samples.json").read_text())
    return [read_png(path).numpy().tobytes() for path in sorted(out.glob("0*.png"))], record


def test_neighbours_of_a_picture_and_of_random_ones(trained, tmp_path):
    plainly, _ = sampled(trained["Neighbours"], tmp_path / "a", "--label", "1")
    near, record = sampled(
        trained["Neighbours"], tmp_path / "b", "--label", "1", "--neighbours", trained["ids"], "--like", trained["cat"]
    )
    drawn, other = sampled(trained["Neighbours"], tmp_path / "c", "--label", "1", "--neighbours", trained["ids"])
    assert len({tuple(plainly), tuple(near), tuple(drawn)}) == 3 and len(set(drawn)) == 3
    assert record["neighbours"] != other["neighbours"]
    again, _ = sampled(
        trained["Neighbours"], tmp_path / "d", "--label", "1", "--neighbours", trained["ids"], "--batch_size", "1"
    )
    assert again == drawn


def test_what_made_them_is_kept(trained, tmp_path, capsys):
    out, both = tmp_path / "b", ["--neighbours", trained["ids"], "--like", trained["cat"]]
    near, _ = sampled(trained["Neighbours"], out, "--label", "1", *both)
    capsys.readouterr()
    assert main(["show", str(out / "000001.png")]) == 0
    words = shlex.split(capsys.readouterr().out.splitlines()[1])
    assert main([*words[1:-1], str(tmp_path / "again")]) == 0
    assert read_png(tmp_path / "again" / "000001.png").numpy().tobytes() == near[1]
    prior, cat = lightgen.load(trained["Picture"]), picture(3, (16, 16))
    pictures = prior(2, label=1, like=[cat, (cat, 0.5)])
    assert torch.equal(pictures.tensor, prior.sample(2, label=1, like=[cat, (cat, 0.5)]))
    # A picture in memory has no name that a command line could say; a weight has, of a picture in a file.
    assert [one.get("weighed") for one in pictures.settings] == [None, {"like": 0.5}]
    assert pictures.settings[0]["in_memory"] == pictures.settings[1]["in_memory"] and "like" not in pictures.settings[0]
    plain, half = (str(path) for path in pictures.save(tmp_path / "python"))
    for path, name in ((plain, "F.png"), (half, "F.png:0.5")):
        capsys.readouterr()
        assert main(["show", path]) == 0
        _, command, doubt = capsys.readouterr().out.splitlines()
        assert "--like" not in command
        assert doubt == f"But the picture that it is like had no file; give one with --like {name}."
    assert main(["sample", "--from", half, "--ckpt_path", trained["Picture"], "--out", str(tmp_path / "no")]) == 2
    assert "the picture that it is like had no file; give one with --like F.png:0.5" in capsys.readouterr().err
    given = ["--ckpt_path", trained["Picture"], "--like", trained["cat"] + ":0.5", "--out", str(tmp_path / "given")]
    assert main(["sample", "--from", half, *given]) == 0
    assert torch.equal(read_png(tmp_path / "given" / "000001.png"), prior.sample(2, label=1, like=(cat, 0.5))[1])


def test_a_reference_picture_is_turned_as_its_camera_says(tmp_path):
    image, exif = picture(3, (24, 16)), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.png", exif=exif)
    upright, weight = read(f"{tmp_path / 'turned.png'}:0.5")
    assert upright.size == (16, 24) and weight == 0.5
    assert torch.equal(as_tensor(upright), as_tensor(image.rotate(-90, expand=True)))


def test_a_reference_picture_and_its_weight(trained, tmp_path):
    plainly, _ = sampled(trained["Picture"], tmp_path / "a", "--label", "1")
    liked, record = sampled(trained["Picture"], tmp_path / "b", "--label", "1", "--like", trained["cat"])
    half, other = sampled(trained["Picture"], tmp_path / "c", "--label", "1", "--like", f"{trained['cat']}:0.5")
    assert record["like"] != other["like"] and len({tuple(plainly), tuple(liked), tuple(half)}) == 3
    assert main(["sample", "--from", str(tmp_path / "c" / "000002.png"), "--out", str(tmp_path / "again")]) == 0
    assert read_png(tmp_path / "again" / "000002.png").numpy().tobytes() == half[2]
    none, _ = sampled(trained["Picture"], tmp_path / "d", "--label", "1", "--like", f"{trained['cat']}:0")
    assert none == plainly


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Picture", ["--like", "{cat}:-1"], "a weight must be at least 0, not -1"),
        ("Picture", ["--like", "nowhere.png"], "no picture at nowhere.png"),
        ("Picture", ["--like", "{ids}/cache.json"], "cannot be read as a picture"),
        ("Picture", ["--neighbours", "{ids}"], "trained without neighbours; it knows like, label"),
        ("Neighbours", ["--like", "{cat}"], "--neighbours names a token cache with an index"),
        ("Neighbours", ["--like", "{cat}:0.5", "--neighbours", "{ids}"], "neighbours have no weight"),
        ("Neighbours", ["--neighbours", "nowhere"], "no token cache at nowhere"),
    ],
)
def test_mistakes_are_one_line(trained, tmp_path, capsys, name, options, said):
    given = [option.format(**trained) for option in options]
    assert main(["sample", "--ckpt_path", trained[name], "--out", str(tmp_path / "out"), *given]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1 and said in lines[0], lines
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["like", "neighbours"])
@pytest.mark.parametrize(
    "command", ["edit --image {cat}", "inpaint --image {cat} --mask {cat}", "grid --x steps=1,2 --y seed=0,1"]
)
def test_other_commands_refuse_them_in_one_line(trained, tmp_path, capsys, command, option):
    words = [word.format(**trained) for word in command.split()]
    name, given = ("Picture", trained["cat"]) if option == "like" else ("Neighbours", trained["ids"])
    capsys.readouterr()
    assert main([*words, "--ckpt_path", trained[name], f"--{option}", given, "--out", str(tmp_path / "out")]) == 2
    said = f"lightgen: --{option} is an option of `lightgen sample` alone"
    assert capsys.readouterr().err.strip().splitlines() == [said]
    assert not (tmp_path / "out").exists()


def test_training_needs_an_index(trained, tokenizer_checkpoint, tmp_path, capsys):
    part = {"class_path": "Neighbours", "init_args": {"num": 2}}
    (tmp_path / "n.yaml").write_text(json.dumps({"model": {"init_args": {"conditioner": part}}}))
    fit = ["fit", "--config", "tiny.yaml", "--config", str(tmp_path / "n.yaml"), "--model.tokenizer",
           str(tokenizer_checkpoint), "--trainer.default_root_dir", str(tmp_path)]  # fmt: skip
    capsys.readouterr()
    assert main(fit) == 2
    assert "the data have no neighbours; `lightgen index --out FOLDER` finds them" in capsys.readouterr().err
