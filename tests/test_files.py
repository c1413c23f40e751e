"""Files are whole or not there, and damage is found when they are read."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lightgen
from lightgen.checkpoint import export, read
from lightgen.cli.main import main
from lightgen.functional import files

FIT = ["fit", "--config", "tiny-tokenizer.yaml", "--trainer.enable_progress_bar", "false"]


@pytest.fixture
def full_disk(monkeypatch):
    """No more than half a checkpoint fits."""

    def save(contents, path):
        Path(path).write_bytes(b"PK half of it")
        raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 149440 vs 149332")

    return lambda: monkeypatch.setattr(torch, "save", save)


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path, full_disk, capsys):
    root = ["--trainer.default_root_dir", str(tmp_path)]
    assert main([*FIT, *root, "--trainer.max_steps", "1"]) == 0
    before = (tmp_path / "last.ckpt").read_bytes()
    full_disk()
    resumed = ["--trainer.max_steps", "2", "--ckpt_path", str(tmp_path / "last.ckpt")]
    assert main([*FIT, *root, *resumed]) == 1
    assert "last.ckpt could not be written, is the disk full?" in capsys.readouterr().err
    assert (tmp_path / "last.ckpt").read_bytes() == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_nothing_of_lightnings_own_writing_is_used(tmp_path, monkeypatch):
    """It goes through TMPDIR, and across file systems is a copy onto the checkpoint."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "not there"))
    monkeypatch.setattr("lightning.fabric.plugins.io.torch_io._atomic_save", lambda *args: pytest.fail("used"))
    assert main([*FIT, "--trainer.default_root_dir", str(tmp_path), "--trainer.max_steps", "1"]) == 0
    assert lightgen.load(tmp_path / "last.ckpt").kind == "tokenizer"


def test_the_config_of_a_run_is_whole_or_not_there(tmp_path, monkeypatch):
    def write(path, text, *args, **kwargs):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", write)
    assert main([*FIT, "--trainer.default_root_dir", str(tmp_path), "--trainer.max_steps", "1"]) == 1
    assert not list(tmp_path.rglob("config.yaml"))


def flipped(path, seed):
    """A file with one bit changed, where it holds numbers."""
    contents, generator = bytearray(path.read_bytes()), random.Random(seed)
    contents[generator.randrange(len(contents) // 4, len(contents) * 3 // 4)] ^= 1 << generator.randrange(8)
    return bytes(contents)


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path, prior_checkpoint):
    whole, damaged = read(prior_checkpoint), 0
    for seed in range(20):
        path = tmp_path / "flipped.ckpt"
        path.write_bytes(flipped(prior_checkpoint, seed))
        try:
            found = read(path)
        except ValueError as error:
            assert "flipped.ckpt is damaged" in str(error)
            damaged += 1
        else:
            # Between two tensors there are bytes that mean nothing.
            assert all(torch.equal(found["state_dict"][name], tensor) for name, tensor in whole["state_dict"].items())
    assert damaged > 10


def test_a_flipped_bit_in_an_export_is_found_and_older_exports_load(tmp_path, prior_checkpoint):
    folder = tmp_path / "folder"
    export(prior_checkpoint, folder)
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    for seed in range(5):
        weights.write_bytes(flipped(weights, seed))
        with pytest.raises(ValueError, match=r"model\.safetensors is damaged: its checksum|is damaged"):
            lightgen.load(folder)
        weights.write_bytes(whole)
    entry = json.loads((folder / "config.json").read_text())
    assert isinstance(entry.pop("checksum"), int)
    (folder / "config.json").write_text(json.dumps(entry))
    assert lightgen.load(folder).kind == "prior"


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    code = """
import os, signal, sys
from pathlib import Path
from lightgen.functional.files import atomic
with atomic(Path(sys.argv[1]) / "000101.png") as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    (left,) = tmp_path.iterdir()
    other = tmp_path / f".mine.{os.getpid()}.png"
    other.touch()
    with files.atomic(tmp_path / "a.png") as ours:
        ours.touch()
        assert not left.exists() and other.exists()
        files.sweep.cache_clear()
        files.save_text("text", tmp_path / "b.txt")
        assert ours.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.txt", other.name}
