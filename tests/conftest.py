"""What several tests need: a trained tokenizer and a trained prior, made once by the real command line."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from lightgen.checkpoint import save
from lightgen.cli.main import main
from lightgen.conditioners import ClassLabel, Mixed, Text
from lightgen.guidance import ConstantGuidance
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.text_encoders import WordPieces
from lightgen.tokenizers import PixelTokenizer

# Two workers share two cores; so do the processes that tests start.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """A folder with the runs of tiny-tokenizer.yaml and tiny.yaml."""
    root = tmp_path_factory.mktemp("runs")
    common = ["--trainer.enable_progress_bar", "false"]
    tokenizer = ["fit", "--config", "tiny-tokenizer.yaml", "--trainer.default_root_dir", str(root / "tokenizer")]
    assert main([*tokenizer, *common]) == 0
    prior = ["fit", "--config", "tiny.yaml", "--trainer.default_root_dir", str(root / "prior")]
    assert main([*prior, "--model.tokenizer", str(root / "tokenizer" / "last.ckpt"), *common]) == 0
    return root


@pytest.fixture(scope="session")
def tokenizer_checkpoint(runs) -> Path:
    return runs / "tokenizer" / "last.ckpt"


@pytest.fixture(scope="session")
def prior_checkpoint(runs) -> Path:
    return runs / "prior" / "last.ckpt"


@pytest.fixture
def short_files(monkeypatch) -> None:
    """Seven pictures in a file of a token cache, so that small caches have several."""
    monkeypatch.setattr("lightgen.data.encode.ROWS", 7)


@pytest.fixture(scope="session")
def text_prior_checkpoint(tmp_path_factory) -> Path:
    """A tiny prior of random weights that listens to text, class and style."""
    torch.manual_seed(0)
    tokenizer, process = PixelTokenizer(8), Absorbing(256)
    names = {"label": ("Flags", "Food"), "style": ("flat", "noto")}
    parts = [Text(WordPieces(300, 24, 16, heads=2)), *(ClassLabel(2, name=name) for name in names)]
    network = Transformer(process.interface(tokenizer.layout, Mixed(parts)), 16, 1, 2, 8)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    prior = Prior(tokenizer, network, process, Recipe(MaskGIT(steps=3), guidance=ConstantGuidance(2.0)))
    prior.categories = names
    path = tmp_path_factory.mktemp("text") / "text.ckpt"
    save(prior, path)
    return path


@pytest.fixture(scope="session")
def scorer_checkpoint(tmp_path_factory) -> Path:
    """A tiny judge of random weights."""
    # Scorers come with timm, which few tests wait for.
    from lightgen.scorers import Contrastive, TimmEncoder

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("scorer") / "scorer.ckpt"
    save(Contrastive(TimmEncoder("test_resnet", 32, "new"), WordPieces(300, 24, 16, depth=0), dim=4), path)
    return path
