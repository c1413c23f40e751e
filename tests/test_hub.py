"""Checkpoints on the Hugging Face Hub: what is asked of it, and what comes back. The Hub itself is a stub."""

import shutil
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import huggingface_hub
import pytest
import torch
import yaml
from huggingface_hub import errors
from test_cli_errors import mistake

import lightgen
from lightgen.checkpoint import load
from lightgen.cli.main import main


class Hub:
    """Keeps the folders that are uploaded, by USER/NAME."""

    def __init__(self, folder):
        self.folder, self.private, self.asked = folder, {}, []

    def create_repo(self, name, private, exist_ok):
        assert exist_ok
        huggingface_hub.utils.validate_repo_id(name)
        self.private[name] = private
        return SimpleNamespace(repo_id=name, __str__=lambda self: name)

    def upload_folder(self, repo_id, folder_path, commit_message):
        shutil.copytree(folder_path, self.folder / repo_id)

    def snapshot_download(self, name, revision, allow_patterns):
        huggingface_hub.utils.validate_repo_id(name)
        self.asked.append((name, revision))
        if not (self.folder / name).is_dir():
            raise errors.RepositoryNotFoundError("404", response=MagicMock())
        fetched = self.folder / "fetched" / name
        fetched.mkdir(parents=True, exist_ok=True)
        for file in allow_patterns:
            if (self.folder / name / file).is_file():
                shutil.copy(self.folder / name / file, fetched / file)
        return str(fetched)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    made = Hub(tmp_path / "hub")
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: made)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made.snapshot_download)
    return made


def push(checkpoint, to, *more):
    return ["push", "--ckpt_path", str(checkpoint), "--to", str(to), "--license", "mit", *map(str, more)]


def test_what_is_published_is_what_is_loaded(hub, prior_checkpoint, tokenizer_checkpoint, tmp_path, capsys):
    assert main(push(prior_checkpoint, "hf:me/tiny", "--private", "--num_images", 2)) == 0
    assert "lightgen.load('hf:me/tiny') takes it" in capsys.readouterr().out
    assert main(push(tokenizer_checkpoint, "hf:me/tiny-tokenizer", "--half")) == 0
    assert hub.private == {"me/tiny": True, "me/tiny-tokenizer": False}
    own, fetched = load(prior_checkpoint).state_dict(), lightgen.load("hf:me/tiny@v1").state_dict()
    assert own.keys() == fetched.keys() and all(torch.equal(own[name], fetched[name]) for name in own)
    assert lightgen.load("hf:me/tiny-tokenizer").kind == "tokenizer"
    assert hub.asked == [("me/tiny", "v1"), ("me/tiny-tokenizer", None)]
    assert main(["sample", "--ckpt_path", "hf:me/tiny", "--num_images", "1", "--out", str(tmp_path / "out")]) == 0
    # Nothing that could be run was put there, and nothing but weights and plain data is fetched.
    assert {p.suffix for p in (hub.folder / "me" / "tiny").iterdir()} == {".safetensors", ".json", ".md", ".png"}
    assert {p.suffix for p in (hub.folder / "fetched" / "me" / "tiny").iterdir()} == {".safetensors", ".json"}


def test_the_card(prior_checkpoint, tmp_path, capsys):
    (tmp_path / "scores.json").write_text('{"FD(x)": 12.3456, "what": "words"}')
    folder = tmp_path / "folder"
    assert main(push(prior_checkpoint, folder, "--num_images", 2, "--scores", tmp_path / "scores.json")) == 0
    _, head, text = (folder / "README.md").read_text().split("---\n", 2)
    head = yaml.safe_load(head)
    assert head["license"] == "mit" and head["library_name"] == "lightgen"
    assert head["pipeline_tag"] == "unconditional-image-generation"
    assert "| FD(x) | 12.35 |" in text and "words" not in text and "samples.png" in text
    assert (folder / "samples.png").is_file() and f"lightgen.load({str(folder)!r})" in text
    assert lightgen.load(folder).kind == "prior"


def test_the_card_of_the_zoo_goes_along(tmp_path):
    name = next(name for name in lightgen.zoo() if name.endswith("-tokenizer"))
    assert main(push(name, tmp_path / "folder")) == 0
    text = (tmp_path / "folder" / "README.md").read_text()
    assert lightgen.zoo()[name] in text and "| psnr |" in text and "samples.png" not in text


def refused(error):
    def refuse(*args, **kwargs):
        raise error

    return refuse


def test_mistakes(hub, prior_checkpoint, tmp_path, monkeypatch, capsys):
    push_it = push(prior_checkpoint, "hf:me/tiny", "--num_images", 1)
    assert "must be USER/NAME" in mistake(capsys, push(prior_checkpoint, "hf:a/b/c", "--num_images", 1))
    assert "not with a folder" in mistake(capsys, push(prior_checkpoint, tmp_path / "x", "--private"))
    assert "must name a JSON file" in mistake(capsys, push(prior_checkpoint, "x", "--scores", tmp_path / "none.json"))
    assert "--license is needed" in mistake(capsys, push_it[:5])
    assert "at least 1" in mistake(capsys, push(prior_checkpoint, "x", "--num_images", 0))
    monkeypatch.setattr(hub, "create_repo", refused(errors.LocalTokenNotFoundError("no token")))
    assert "hf auth login" in mistake(capsys, push_it)
    monkeypatch.setattr(hub, "create_repo", refused(OSError("403 Forbidden\nfor url")))
    assert "the Hub did not take me/tiny: 403 Forbidden for url" in mistake(capsys, push_it)

    load_it = ["sample", "--out", str(tmp_path / "out"), "--ckpt_path"]
    assert "no model me/none, or it is private" in mistake(capsys, [*load_it, "hf:me/none"])
    assert "must be hf:USER/NAME" in mistake(capsys, [*load_it, "hf:a/b/c"])
    lost = refused(errors.LocalEntryNotFoundError("no connection"))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lost)
    assert "the Hub cannot be reached" in mistake(capsys, [*load_it, "hf:me/none"])


def test_the_folder_of_a_checkpoint_is_not_published_into_itself(prior_checkpoint, tmp_path, capsys):
    folder = tmp_path / "folder"
    assert main(push(prior_checkpoint, folder, "--num_images", 1)) == 0
    assert "what would be published" in mistake(capsys, push(folder, folder))
    assert Path(folder / "model.safetensors").is_file()
