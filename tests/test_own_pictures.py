"""A folder of one's own, by one command for each stage; what is asked of the checkpoints afterwards needs no config."""

import logging
from pathlib import Path

import pytest
import torch
from pictures import folder

from lightgen.bench.priors import warn_of_other_pictures
from lightgen.bench.suite import Method, Suite
from lightgen.checkpoint import load
from lightgen.cli.main import main
from lightgen.data import SyntheticImages
from lightgen.data.own import own_data
from lightgen.metrics.protocols import Offline
from lightgen.recipe import Recipe
from lightgen.registry import build
from lightgen.samplers import MaskGIT

SHORT = ["--trainer.max_steps", "3", "--trainer.val_check_interval", "3", "--data.batch_size", "4",
         "--trainer.enable_progress_bar", "false"]  # fmt: skip
STAGE_ONE = ["fit", "--config", "pictures64-tokenizer.yaml", "--model.tokenizer.width", "8",
             "--model.tokenizer.image_size", "32", "--data.image_size", "32"]  # fmt: skip
STAGE_TWO = ["fit", "--config", "pictures64.yaml", "--model.network.dim", "16", "--model.network.depth", "1",
             "--model.network.heads", "1", "--model.network.dim_head", "16"]  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder `mine`, and the runs of both stages on it in the folders that their configs name."""
    root = tmp_path_factory.mktemp("world")
    folder(root / "mine", 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        assert main([*STAGE_ONE, "--data.root", "mine", *SHORT]) == 0
        assert main([*STAGE_TWO, "--data.root", "mine", *SHORT]) == 0
    return root


@pytest.fixture
def here(world, monkeypatch) -> Path:
    monkeypatch.chdir(world)
    return world


TOKENIZER, PRIOR = "runs/pictures64-tokenizer/last.ckpt", "runs/pictures64/last.ckpt"


def mistake(capsys, *args: str) -> str:
    assert main(list(args)) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: "))
    return line


def said(capsys) -> str:
    output = capsys.readouterr()
    return output.out + output.err


def test_one_folder_is_split_alike_in_both_stages_and_the_size_is_the_tokenizers(here):
    first, second = (build(own_data(path), "data") for path in (TOKENIZER, PRIOR))
    assert first.fingerprint == second.fingerprint and first.image_size == second.image_size == (32, 32)
    assert len(first.dataset("val")) > 0 and first.dataset("val").names == second.dataset("val").names


def test_another_split_of_the_same_folder_is_said(here, capsys):
    run = [*STAGE_TWO, "--data.root", "mine", *SHORT, "--trainer.default_root_dir", "split"]
    assert main([*run, "--trainer.max_steps", "1"]) == 0
    assert "is split otherwise" not in said(capsys)
    assert main([*run, "--trainer.max_steps", "1", "--data.val_fraction", "0.2"]) == 0
    text = "ImageFolder mine is split otherwise than for the tokenizer: val_fraction was 0.1, and is 0.2 now"
    assert text in said(capsys)


def test_the_schedule_ends_with_the_training(here):
    run = [*STAGE_ONE, "--data.root", "mine", *SHORT, "--trainer.default_root_dir", "other",
           "--model.scheduler.warmup_steps", "0"]  # fmt: skip
    for more in ([], ["--trainer.max_steps", "6", "--ckpt_path", "other/last.ckpt"]):
        assert main([*run, *more]) == 0
        (scheduler,) = torch.load("other/last.ckpt", weights_only=True)["lr_schedulers"]
        assert scheduler["_last_lr"][0] == pytest.approx(0.05 * 2e-3)
    assert scheduler["last_epoch"] == 6


def test_classes_are_those_of_the_data(here, capsys):
    assert load(PRIOR).network.conditioner is None
    classes = [*STAGE_TWO, "--data.root", "mine", "--data.labels", "true", *SHORT, "--trainer.default_root_dir"]
    assert main([*classes, "by-class"]) == 0
    assert "2 classes: cats, dogs" in said(capsys)
    assert load("by-class/last.ckpt").network.conditioner.num_classes == 2
    line = mistake(capsys, *classes, "never", "--model.conditioner.num_classes", "3")
    assert "the data have 2 classes" in line


def test_encoded_once_and_read_from_the_cache(here, capsys):
    assert main(["encode", "--tokenizer", TOKENIZER, "--out", "ids"]) == 0
    cached = [*STAGE_TWO, "--data", "CachedTokens", "--data.cache", "ids", *SHORT, "--trainer.default_root_dir"]
    assert main([*cached, "cached"]) == 0
    assert "of ImageFolder mine" in said(capsys)
    line = mistake(capsys, *cached, "never", "--data.data", "Emoji", "--data.data.image_size", "32")
    assert "the token cache ids was made from ImageFolder mine, not from Emoji; delete it" in line
    # What read the cache, which does not know its pictures, can still be scored.
    assert main(["validate", "--ckpt_path", "cached/last.ckpt"]) == 0
    assert "val/loss" in said(capsys)


@pytest.mark.parametrize("checkpoint", [TOKENIZER, PRIOR])
@pytest.mark.parametrize("command", ["validate", "test"])
def test_a_checkpoint_is_scored_on_its_own_data(here, capsys, checkpoint, command):
    args = [command, "--ckpt_path", checkpoint, "--trainer.enable_progress_bar", "false", "--data.test_fraction", "0.1"]
    before = sorted(here.rglob("*"))
    assert main(args) == 0
    assert sorted(here.rglob("*")) == before
    text = said(capsys)
    assert "ImageFolder: " in text and f"{'val' if command == 'validate' else 'test'}/loss" in text


def test_the_score_is_that_of_the_training(here, capsys):
    """Of the weights that are sampled with, on the pictures that were held out."""
    scores = []
    for more in ([], ["--config", "pictures64.yaml", *STAGE_TWO[3:], "--data.root", "mine", "--data.batch_size", "4"]):
        assert main(["validate", "--ckpt_path", PRIOR, *more]) == 0
        (line,) = (line for line in said(capsys).splitlines() if "val/loss" in line)
        scores.append(line)
    assert scores[0] == scores[1]


def test_what_of_a_checkpoint_alone_goes_wrong_is_one_line(here, capsys):
    assert "no checkpoint at none.ckpt" in mistake(capsys, "validate", "--ckpt_path", "none.ckpt")
    (here / "mine").rename(here / "moved")
    try:
        assert "no folder or .zip of pictures at mine" in mistake(capsys, "validate", "--ckpt_path", PRIOR)
        assert main(["validate", "--ckpt_path", PRIOR, "--data.root", "moved"]) == 0
    finally:
        (here / "moved").rename(here / "mine")


def suite(**options) -> Suite:

    methods = {"MaskGIT": Method("mine", Recipe(MaskGIT(1)))}
    return Suite(priors={"mine": PRIOR}, methods=methods, protocol=Offline(), evaluations=[2], **options)


def test_bench_scores_against_a_priors_own_pictures_or_says_so(here, caplog, monkeypatch):

    monkeypatch.setattr(logging.getLogger("lightgen"), "propagate", True)
    own = suite()
    assert own.data.title == "ImageFolder mine" and own.data.image_size == (32, 32)
    warn_of_other_pictures(own.priors, own.data)
    assert not caplog.records
    other = suite(data=SyntheticImages(32, 60))
    warn_of_other_pictures(other.priors, other.data)
    assert "prior mine was trained on ImageFolder mine, and is scored against SyntheticImages" in caplog.text
    both = {"mine": PRIOR, "zoo": "zoo:icons64-sundae"}
    with pytest.raises(
        ValueError, match="the priors were trained on ImageFolder mine and ImageFolder data/icons64; name pictures"
    ):
        Suite(priors=both, methods=own.methods, protocol=Offline(), evaluations=[2])


def test_the_shipped_suite_compares_samplers_on_ones_own_pictures(here, capsys):
    args = ["bench", "--config", "pictures64.yaml", "--out", "bench", "--num_images", "4", "--evaluations", "[2]",
            "--protocol.features.size", "32", "--seeds", "[0, 1]"]  # fmt: skip
    assert main(args) == 0
    assert "MaskGIT at 2" in said(capsys) and "ImageFolder" in Path("bench/table.md").read_text()
