"""From the command line: an index, a prior trained on neighbours and references, pictures like another one."""

import json

import pytest
import torch
from pictures import picture
from torch import nn

from lightgen.cli.main import main
from lightgen.metrics.features import FeatureNetwork


class LikedPixels(FeatureNetwork):
    """The pixels themselves."""

    name, dim, resize = "pixels", 768, "none"

    def __init__(self):
        self.network = nn.Identity()

    def features(self, images):
        return images.flatten(1) / 255 - 0.5


@pytest.fixture(scope="module")
def trained(tokenizer_checkpoint, tmp_path_factory):
    """A token cache with an index, a prior of each kind, and a picture."""
    root, paths = tmp_path_factory.mktemp("liked"), {}
    index = ["index", "--tokenizer", str(tokenizer_checkpoint), "--features", "LikedPixels", "--neighbours", "3"]
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
        for key in weights["state_dict"]:
            # Four steps have taught it little.
            if "network" in key and ("to_out" in key or "pool" in key):
                weights["state_dict"][key] = torch.randn_like(weights["state_dict"][key])
        torch.save(weights, paths[name])
    picture(3, (16, 16)).save(root / "cat.png")
    return {**paths, "ids": str(root / "ids"), "cat": str(root / "cat.png")}


def sampled(checkpoint, out, *more):
    assert main(["sample", "--ckpt_path", checkpoint, "--num_images", "3", "--out", str(out), *more]) == 0
    record = json.loads((out / "samples.json").read_text())
    return [path.read_bytes() for path in sorted(out.glob("0*.png"))], record


def test_neighbours_of_a_picture_and_of_random_ones(trained, tmp_path):
    plainly, _ = sampled(trained["Neighbours"], tmp_path / "a", "--label", "1")
    near, record = sampled(
        trained["Neighbours"], tmp_path / "b", "--label", "1", "--index", trained["ids"], "--like", trained["cat"]
    )
    drawn, other = sampled(trained["Neighbours"], tmp_path / "c", "--label", "1", "--index", trained["ids"])
    assert len({tuple(plainly), tuple(near), tuple(drawn)}) == 3 and len(set(drawn)) == 3
    assert record["neighbours"] != other["neighbours"]
    again, _ = sampled(
        trained["Neighbours"], tmp_path / "d", "--label", "1", "--index", trained["ids"], "--batch_size", "1"
    )
    assert again == drawn


def test_a_reference_picture_and_its_weight(trained, tmp_path):
    plainly, _ = sampled(trained["Picture"], tmp_path / "a", "--label", "1")
    liked, record = sampled(trained["Picture"], tmp_path / "b", "--label", "1", "--like", trained["cat"])
    assert record["like"]["weight"] == 1.0
    half, record = sampled(trained["Picture"], tmp_path / "c", "--label", "1", "--like", f"{trained['cat']}:0.5")
    assert record["like"]["weight"] == 0.5 and len({tuple(plainly), tuple(liked), tuple(half)}) == 3
    none, _ = sampled(trained["Picture"], tmp_path / "d", "--label", "1", "--like", f"{trained['cat']}:0")
    assert none == plainly


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("Picture", ["--like", "{cat}:-1"], "a weight must be at least 0, not -1"),
        ("Picture", ["--like", "nowhere.png"], "there is no picture at nowhere.png"),
        ("Picture", ["--like", "{ids}/cache.json"], "is no picture that can be read"),
        ("Picture", ["--index", "{ids}"], "trained without neighbours; it knows like, label"),
        ("Neighbours", ["--like", "{cat}"], "--index names a token cache with an index"),
        ("Neighbours", ["--like", "{cat}:0.5", "--index", "{ids}"], "neighbours have no weight"),
        ("Neighbours", ["--index", "nowhere"], "no token cache at nowhere"),
    ],
)
def test_mistakes_are_one_line(trained, tmp_path, capsys, name, options, said):
    given = [option.format(**trained) for option in options]
    assert main(["sample", "--ckpt_path", trained[name], "--out", str(tmp_path / "out"), *given]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1 and said in lines[0], lines
    assert not (tmp_path / "out").exists()


def test_training_needs_an_index(trained, tokenizer_checkpoint, tmp_path, capsys):
    part = {"class_path": "Neighbours", "init_args": {"num": 2}}
    (tmp_path / "n.yaml").write_text(json.dumps({"model": {"init_args": {"conditioner": part}}}))
    fit = ["fit", "--config", "tiny.yaml", "--config", str(tmp_path / "n.yaml"), "--model.tokenizer",
           str(tokenizer_checkpoint), "--trainer.default_root_dir", str(tmp_path)]  # fmt: skip
    capsys.readouterr()
    assert main(fit) == 2
    assert "the data have no neighbours; `lightgen index --out FOLDER` finds them" in capsys.readouterr().err
