"""What several tests need: a trained tokenizer and a trained prior, made once by the real command line."""

import os
from pathlib import Path

import pytest
import torch

from lightgen.cli.main import main

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
