"""Every shipped config runs through the real command line, at a shrunken size."""

import json
from pathlib import Path

import pytest
import yaml
from pictures import folder, idx

from lightgen import pretrained as zoo
from lightgen.cli.configs import CONFIGS, SUITES, locate, shipped
from lightgen.cli.main import main
from lightgen.figures import read_png
from lightgen.registry import describe, find

TOKENIZERS, PRIORS = (sorted(p.name for p in (shipped() / part).glob("*.yaml")) for part in ("tokenizer", "prior"))
TINY = ("tiny.yaml", "tiny-tokenizer.yaml")
SHORT = {
    "trainer.max_steps": 2, "trainer.val_check_interval": 2, "trainer.limit_val_batches": 1,
    "trainer.enable_progress_bar": "false",
}  # fmt: skip
SMALL = {"model.network.dim": 16, "model.network.heads": 2, "model.network.dim_head": 8}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with pictures of every kind, and room for checkpoints."""
    root = tmp_path_factory.mktemp("world")
    shown = sorted(folder(root / "pictures").rglob("*.png"))
    lines = [
        {"file_name": str(p.relative_to(root / "pictures")), "codepoint": p.stem, "text": p.stem,
         "class": p.parent.name, "style": ("flat", "line")[i % 2]}
        for i, p in enumerate(shown)
    ]  # fmt: skip
    (root / "pictures" / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    idx(root / "idx")
    return root


def fit(config: str, root: Path, options: dict) -> Path:
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    assert main(["fit", "--config", config, "--trainer.default_root_dir", str(root), *flags]) == 0
    return root / "last.ckpt"


def pictures(config: str, world: Path) -> dict:
    """Options for small pictures."""
    text = yaml.safe_load(Path(locate(config)).read_text())
    if config in TINY:
        return {}
    if "IDX" in text["data"]["class_path"]:
        return {"data.root": world / "idx", "data.num_workers": 0, "data.batch_size": 2, "data.val_fraction": 0.3}
    if config.startswith("emoji"):
        nested = "data.data" if text["data"]["class_path"] == "CachedTokens" else "data"
        return {f"{nested}.image_size": side(config)}
    nested = "data.data" if text["data"]["class_path"] == "CachedTokens" else "data"
    size = {"image_size": side(config), "batch_size": 2, "num_workers": 0, "val_fraction": 0.3}
    options = {"root": world / "pictures", **size}
    return {"data.batch_size": 2, **{f"{nested}.{name}": value for name, value in options.items()}}


def side(config: str) -> int:
    """Pixels of small pictures; a discriminator of feature maps needs some."""
    if config.startswith("emoji"):
        return 32 if "gan" in config else 16
    return 32 if config.startswith("icons32") else 64


def trained_tokenizer(config: str, world: Path) -> Path:
    """The checkpoint of a shrunken run of a tokenizer's config."""
    root = world / config
    if not (root / "last.ckpt").exists():
        earlier = yaml.safe_load(Path(locate(config)).read_text())["model"]["init_args"]["tokenizer"]
        size = {"model.tokenizer.width": 8, "model.tokenizer.image_size": side(config)}
        if isinstance(earlier, str):
            size = {"model.tokenizer": trained_tokenizer(Path(earlier).parent.name + ".yaml", world)}
        fit(config, root, {**SHORT, **pictures(config, world), **({} if config in TINY else size)})
    return root / "last.ckpt"


def coarser_ids(world: Path) -> Path:
    """Those of the coarser prior's data, as its training makes them."""
    tokenizer, out = trained_tokenizer("icons32-tokenizer.yaml", world), world / "icons32.yaml-cache"
    flags = [
        part for name, value in pictures("icons32-tokenizer.yaml", world).items() for part in (f"--{name}", str(value))
    ]
    assert main(["encode", "--tokenizer", str(tokenizer), "--out", str(out), *flags]) == 0
    return out


def test_schedules_end_with_the_training():
    """However long somebody trains: a config names no end, and `WarmupCosine` follows `trainer.max_steps`."""
    options = [yaml.safe_load(Path(locate(name)).read_text())["model"]["init_args"] for name in TOKENIZERS + PRIORS]
    schedules = [found["scheduler"] for found in options if found.get("scheduler")]
    assert len(schedules) > 5
    assert {s["class_path"].rpartition(".")[2] for s in schedules} == {"WarmupCosine"}
    assert all(s["init_args"]["total_steps"] is None for s in schedules)


@pytest.mark.parametrize("config", TOKENIZERS)
def test_tokenizer(config, world, capsys):
    checkpoint = trained_tokenizer(config, world)
    capsys.readouterr()
    out = world / f"{config}-out"
    assert main(["reconstruct", "--ckpt_path", str(checkpoint), "--out", str(out), "--num_images", "4"]) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert scores["psnr"] > 0 and 0 < scores["codebook_usage"] <= 1 and scores["num_images"] == 4
    assert "PSNR" in capsys.readouterr().out


@pytest.mark.parametrize("config", PRIORS)
def test_prior(config, world):
    text = yaml.safe_load(Path(locate(config)).read_text())
    options = {**SHORT, **SMALL}
    tokenizer = text["model"]["init_args"]["tokenizer"]
    if not str(tokenizer).startswith(zoo.PREFIX):
        options |= pictures(config, world)
    if text["data"]["init_args"].get("labels"):
        options["model.conditioner.num_classes"] = 2
    if isinstance(tokenizer, str) and not tokenizer.startswith(zoo.PREFIX):
        stage_one = Path(tokenizer).parent.name + ".yaml"
        assert stage_one in TOKENIZERS
        options["model.tokenizer"] = trained_tokenizer(stage_one, world)
    if text["data"]["class_path"] == "CachedTokens":
        options["data.cache"] = world / f"{config}-cache"
        if text["data"]["init_args"].get("coarse"):
            options["data.coarse"] = coarser_ids(world)
    checkpoint = fit(config, world / config, options)
    out = world / f"{config}-out"
    args = ["sample", "--ckpt_path", str(checkpoint), "--out", str(out), "--num_images", "2", "--sampler.steps", "2"]
    assert main(args) == 0
    assert read_png(out / "000001.png").ndim == 3
    record = json.loads((out / "samples.json").read_text())
    own = text["model"]["init_args"]["recipe"]["sampler"]["init_args"]
    made = {
        name: part["name"] if isinstance(part, dict) else part for name, part in record["sampler"]["arguments"].items()
    }
    own = {name: part["class_path"] if isinstance(part, dict) else part for name, part in own.items()}
    assert made == {**own, "steps": 2}
    assert record["warps"]["arguments"] == text["model"]["init_args"]["recipe"]["warps"]


@pytest.mark.parametrize("config", [*TOKENIZERS, *PRIORS])
def test_a_config_says_how_to_run_it_and_spells_out_sampler_and_process(config):
    """An overlay silently inherits what it leaves out, so shipped samplers leave nothing out."""
    text = Path(locate(config)).read_text()
    assert f"lightgen fit --config {config}" in text.split("seed_everything")[0]
    model = yaml.safe_load(text)["model"]
    assert model["class_path"] == ("TokenizerModule" if config in TOKENIZERS else "PriorModule")
    components = {**model["init_args"], **model["init_args"].get("recipe", {})}
    for kind in components.keys() & {"sampler", "process"}:
        given = components[kind]
        needed = {"vocab_size": 4} if kind == "process" else {}
        arguments = describe(find(kind, given["class_path"])(**needed, **given["init_args"]))["arguments"]
        assert set(arguments) - set(needed) == set(given["init_args"])


@pytest.mark.parametrize("kind", [CONFIGS, SUITES])
def test_a_shipped_config_is_found_by_its_name_alone_or_with_its_folder(kind):
    paths = sorted(shipped(kind).rglob("*.yaml"))
    assert len({path.name for path in paths}) == len(paths) > 5
    for path in paths:
        assert locate(path.name, kind) == locate(str(path.relative_to(shipped(kind))), kind) == str(path)


def test_a_config_of_the_current_folder_goes_before_a_shipped_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").touch()
    assert locate("tiny.yaml") == "tiny.yaml"
    assert locate("prior/tiny.yaml") == str(shipped() / "prior" / "tiny.yaml")
