"""Folders of safetensors, and commands on them and on imported tokenizers."""

import json

import pytest
import torch
from published import Published, pictures
from safetensors.torch import load_file, save_file
from test_cli_errors import mistake
from test_importing import run

import lightgen
from lightgen.checkpoint import fingerprint, load
from lightgen.data.token_cache import TokenCache
from lightgen.figures import read_png


@pytest.fixture
def imported(tmp_path):
    """The checkpoint of an imported tokenizer, and its ids of some pictures."""
    reference = Published()
    ids, _ = reference(pictures())
    save_file(reference.tensors, tmp_path / "weights.safetensors")
    run("import", "--kind", "taming", "--weights", tmp_path / "weights.safetensors", "--image_size", 16,
        "--out", tmp_path / "imported.ckpt")  # fmt: skip
    return tmp_path / "imported.ckpt", ids


def test_export_and_load_to_the_bit(tokenizer_checkpoint, prior_checkpoint, imported, tmp_path):
    for path in (tokenizer_checkpoint, prior_checkpoint, imported[0]):
        out = tmp_path / path.parent.name / path.stem
        run("export", "--ckpt_path", path, "--out", out)
        original, loaded = load(path), lightgen.load(out)
        assert type(loaded) is type(original) and loaded.kind in ("prior", "tokenizer") and not loaded.training
        states = original.state_dict(), loaded.state_dict()
        assert states[0].keys() == states[1].keys() == load_file(out / "model.safetensors").keys()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        assert [p.name for p in sorted(out.iterdir())] == ["config.json", "model.safetensors"]
        run("export", "--ckpt_path", out, "--out", tmp_path / "again")
        for name in ("config.json", "model.safetensors"):
            assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_the_files_of_an_export_may_be_read_by_the_same_people(tokenizer_checkpoint, tmp_path):
    run("export", "--ckpt_path", tokenizer_checkpoint, "--out", tmp_path)
    assert len({(tmp_path / name).stat().st_mode for name in ("model.safetensors", "config.json")}) == 1


def test_where_exports_and_ids_go_by_default(tokenizer_checkpoint, prior_checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run("export", "--ckpt_path", tokenizer_checkpoint)
    run("export", "--ckpt_path", prior_checkpoint)
    run("export", "--ckpt_path", "zoo:emoji64-tokenizer")
    said = capsys.readouterr().out
    for kind, name in (("tokenizer", "tokenizer"), ("prior", "prior"), ("tokenizer", "emoji64-tokenizer")):
        assert lightgen.load(tmp_path / "exported" / name).kind == kind and f": exported/{name}\n" in said
    again = ["export", "--ckpt_path", "exported/prior", "--half"]
    assert "exported/prior is what would be exported; name another folder with --out" in mistake(capsys, again)
    run("encode", "--tokenizer", tokenizer_checkpoint)
    assert TokenCache(tmp_path / "tokens").header.counts["train"] > 0 and "s: tokens\n" in capsys.readouterr().out


def test_half_the_size_and_float32_again_when_loaded(prior_checkpoint, tmp_path):
    run("export", "--ckpt_path", prior_checkpoint, "--out", tmp_path, "--half")
    stored = load_file(tmp_path / "model.safetensors")
    original, loaded = load(prior_checkpoint).state_dict(), lightgen.load(tmp_path).state_dict()
    for name, tensor in original.items():
        kept = torch.float16 if tensor.dtype == torch.float32 else tensor.dtype
        assert stored[name].dtype == kept and loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], stored[name].to(tensor.dtype))


def test_priors_share_a_tokenizer_that_an_older_version_exported(tokenizer_checkpoint, prior_checkpoint, tmp_path):
    tokenizer, prior = tmp_path / "tokenizer", tmp_path / "prior"
    run("export", "--ckpt_path", tokenizer_checkpoint, "--out", tokenizer, "--half")
    config = json.loads((tokenizer / "config.json").read_text())
    (tokenizer / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "checksum"}))
    run("export", "--ckpt_path", prior_checkpoint, "--out", prior, "--half", "--tokenizer", tokenizer)
    assert fingerprint(lightgen.load(prior).tokenizer) == fingerprint(lightgen.load(tokenizer))


def test_a_tokenizer_that_priors_share_is_written_once(tokenizer_checkpoint, prior_checkpoint, tmp_path, capsys):
    tokenizer, prior = tmp_path / "tokenizer", tmp_path / "prior"
    run("export", "--ckpt_path", tokenizer_checkpoint, "--out", tokenizer, "--half")
    better = torch.load(tokenizer_checkpoint, weights_only=True)
    bias = next(name for name in better["state_dict"] if "decoder." in name and name.endswith("bias"))
    better["state_dict"][bias] += 1
    torch.save(better, tmp_path / "better.ckpt")
    run("export", "--ckpt_path", tmp_path / "better.ckpt", "--out", tmp_path / "better", "--half")
    for beside in (tokenizer, tmp_path / "better"):
        run("export", "--ckpt_path", prior_checkpoint, "--out", prior, "--half", "--tokenizer", beside)
        assert not [name for name in load_file(prior / "model.safetensors") if name.startswith("tokenizer.")]
        both = lightgen.load(prior).tokenizer.state_dict(), lightgen.load(beside).state_dict()
        assert all(torch.equal(both[0][name], both[1][name]) for name in both[1])
    run("export", "--ckpt_path", prior, "--out", tmp_path / "elsewhere" / "prior")
    assert "tokenizer_beside" not in (tmp_path / "elsewhere" / "prior" / "config.json").read_text()

    again = ["export", "--ckpt_path", str(prior_checkpoint), "--out"]
    assert "stand beside" in mistake(capsys, [*again, str(tmp_path / "a" / "b"), "--tokenizer", str(tokenizer)])
    assert "same precision" in mistake(capsys, [*again, str(tmp_path / "b"), "--tokenizer", str(tokenizer)])
    encoder = next(name for name in better["state_dict"] if "encoder." in name and name.endswith("bias"))
    better["state_dict"][encoder] += 1
    torch.save(better, tmp_path / "other.ckpt")
    run("export", "--ckpt_path", tmp_path / "other.ckpt", "--out", tmp_path / "other", "--half")
    assert "does not hold the prior's tokenizer" in mistake(
        capsys, [*again, str(tmp_path / "b"), "--half", "--tokenizer", str(tmp_path / "other")]
    )
    run("export", "--ckpt_path", tmp_path / "other.ckpt", "--out", tmp_path / "better")
    assert "holds another one" in mistake(capsys, ["export", "--ckpt_path", str(prior), "--out", str(tmp_path / "c")])
    (tmp_path / "better" / "config.json").unlink()
    assert "beside it" in mistake(capsys, ["export", "--ckpt_path", str(prior), "--out", str(tmp_path / "c")])


def test_the_exported_weights_are_the_averaged_ones(prior_checkpoint, tmp_path):
    contents = torch.load(prior_checkpoint, weights_only=True)
    averaged, last = contents["state_dict"], contents["current_model_state"]
    run("export", "--ckpt_path", prior_checkpoint, "--out", tmp_path)
    exported = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(tensor, averaged[f"prior.{name}"]) for name, tensor in exported.items())
    assert any(not torch.equal(averaged[name], last[name]) for name in averaged if name.startswith("prior."))


@pytest.mark.parametrize("name", ["zoo:emoji64-tokenizer", "tokenizer"])
def test_averaging_leaves_the_frozen_tokenizer_of_a_prior_as_it_was(name, tokenizer_checkpoint, tmp_path):
    """To the bit, or token caches of the one would be refused by the other. The zoo's codebook keeps counts, too."""
    path, side = (name, 64) if name.startswith("zoo") else (tokenizer_checkpoint, 16)
    run("fit", "--config", "tiny.yaml", "--model.tokenizer", path, "--data.image_size", side, "--data.num_images", 24,
        "--trainer.max_steps", 6, "--trainer.limit_val_batches", 0, "--trainer.default_root_dir", tmp_path)  # fmt: skip
    assert fingerprint(load(tmp_path / "last.ckpt").tokenizer) == fingerprint(load(path))


def test_commands_take_folders_and_imported_tokenizers(prior_checkpoint, imported, tmp_path):
    path, ids = imported
    run("export", "--ckpt_path", prior_checkpoint, "--out", tmp_path / "prior")
    for source, out in ((prior_checkpoint, "a"), (tmp_path / "prior", "b")):
        run("sample", "--ckpt_path", source, "--num_images", 3, "--out", tmp_path / out)
        run("reconstruct", "--ckpt_path", source, "--num_images", 4, "--out", tmp_path / out)
    assert torch.equal(read_png(tmp_path / "a" / "grid.png"), read_png(tmp_path / "b" / "grid.png"))
    scores = [json.loads((tmp_path / out / "scores.json").read_text())["psnr"] for out in "ab"]
    assert scores[0] == scores[1]

    run("export", "--ckpt_path", path, "--out", tmp_path / "folder")
    data = ["--data", "SyntheticImages", "--data.image_size", 16, "--data.num_images", 20]
    run("reconstruct", "--ckpt_path", tmp_path / "folder", *data, "--out", tmp_path / "c")
    run("fit", "--config", "tiny.yaml", "--model.tokenizer", tmp_path / "folder", "--trainer.max_steps", 2,
        "--trainer.val_check_interval", 2, "--trainer.enable_progress_bar", "false",
        "--trainer.default_root_dir", tmp_path / "run")  # fmt: skip
    tokenizer = lightgen.load(tmp_path / "run" / "last.ckpt").tokenizer
    assert torch.equal(tokenizer.encode(pictures()), ids)


def test_mistakes_with_folders_and_imported_tokenizers(tokenizer_checkpoint, imported, tmp_path, capsys):
    folder = tmp_path / "folder"
    run("export", "--ckpt_path", tokenizer_checkpoint, "--out", folder)
    capsys.readouterr()
    out = ["--out", str(tmp_path / "out")]
    assert "name them with --data" in mistake(capsys, ["reconstruct", "--ckpt_path", str(imported[0]), *out])
    assert "holds a tokenizer, where a prior" in mistake(capsys, ["sample", "--ckpt_path", str(folder), *out])
    fit = ["fit", "--config", "tiny-tokenizer.yaml", "--ckpt_path"]
    for path in (imported[0], folder):
        assert "holds weights alone" in mistake(capsys, [*fit, str(path)])
    assert "it has no config.json" in mistake(capsys, ["export", "--ckpt_path", str(tmp_path), *out])
    assert "no checkpoint at" in mistake(capsys, ["export", "--ckpt_path", str(tmp_path / "none"), *out])
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-8])
    assert "is damaged" in mistake(capsys, ["export", "--ckpt_path", str(folder), *out])
    save_file({"x": torch.zeros(1)}, folder / "model.safetensors")
    assert "its checksum is not that in" in mistake(capsys, ["export", "--ckpt_path", str(folder), *out])
    entry = json.loads((folder / "config.json").read_text())
    del entry["checksum"]
    (folder / "config.json").write_text(json.dumps(entry))
    assert "do not fit" in mistake(capsys, ["export", "--ckpt_path", str(folder), *out])
    entry["component"]["arguments"]["of_a_later_version"] = 1
    (folder / "config.json").write_text(json.dumps(entry))
    assert "does not fit this version of lightgen" in mistake(capsys, ["export", "--ckpt_path", str(folder), *out])
    (folder / "config.json").write_text("[1]")
    assert "not one that lightgen exported" in mistake(capsys, ["export", "--ckpt_path", str(folder), *out])
    (folder / "config.json").write_text("{")
    assert "is damaged" in mistake(capsys, ["export", "--ckpt_path", str(folder), *out])
