"""Published priors by text: their files, encoders that are missing or of another kind, and what they say of texts."""

import json
import shutil
from pathlib import Path

import published
import pytest
import torch
import transformers
from peers import PEERS, texts
from safetensors.torch import save_file
from test_cli_errors import mistake
from test_published_priors import asked, command, imported, peer, questions, tokenizers  # noqa: F401 (fixtures)

import lightgen
from lightgen.cli.main import main
from lightgen.functional.text import to_bytes
from lightgen.importers.amused import Amused
from lightgen.importers.renaming import fill
from lightgen.layout import Layout
from lightgen.text_encoders import CLIPText, pretrained

RECIPES = {
    "LlamaGenText": "Recipe(sampler=Autoregressive(), warps=Warps(temperature=1.0, top_k=1000), "
    "guidance=ConstantGuidance(scale=7.5))",
    "Amused": "Recipe(sampler=MaskGIT(steps=12, choice_temperature=2.1818181818181817, confidence='warped', "
    "annealed=False), warps=Warps(temperature=1.0), guidance=ConstantGuidance(scale=10.0))",
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_published_recipe_comes_along(name, imported):  # noqa: F811
    assert repr(lightgen.load(imported(name)).recipe) == RECIPES[name]


def test_amused_of_smaller_pictures_goes_without_halving_them(tmp_path):
    reference = type("Small", (PEERS["Amused"],), {"shrinks": False})()
    importer = Amused(text_encoder=reference.beside(tmp_path)[1])
    plan = importer.plan(reference.tensors, reference.save(tmp_path))
    with torch.device("meta"):
        network = plan.make(Layout((4, 4), 48))
    fill(network, reference.tensors, plan.names, plan.unused)
    ids, label = questions(reference)
    with torch.no_grad():
        found = network.eval()(ids, None, network.context(asked(reference, label), len(ids)))
    torch.testing.assert_close(found, reference.logits(ids, label), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", RECIPES)
def test_pictures_are_asked_for_by_what_they_show_and_what_they_do_not(name, imported, tmp_path):  # noqa: F811
    path, out = imported(name), tmp_path / "out"
    args = ["sample", "--ckpt_path", str(path), "--num_images", "2", "--text", "a red heart", "--out"]
    assert main([*args, str(out), "--negative_text", "black cat"]) == 0 and len([*out.glob("0*.png")]) == 2
    prior = lightgen.load(path)
    few = {} if name == "LlamaGenText" else {"steps": 4}
    plain, away = (prior.sample(4, text="a red heart", **few, **more) for more in ({}, {"negative_text": "black cat"}))
    assert not torch.equal(plain, away)
    assert not torch.equal(plain, prior.sample(4, text="black cat", **few))


def test_the_branch_of_nothing_shows_as_much_as_the_text(imported):  # noqa: F811
    """LlamaGen's guidance hides the same places in both branches; of no text at all, nothing is hidden."""
    reference, network = peer("LlamaGenText"), lightgen.load(imported("LlamaGenText")).network
    label, ids = torch.arange(5), torch.randint(48, (5, 16), generator=torch.Generator().manual_seed(1))
    hidden = network.context(asked(reference, label).hide(rows=label >= 0), 5)
    nothing = torch.full_like(label, reference.num_classes)
    with torch.no_grad():
        shown = network(ids, None, hidden)
    torch.testing.assert_close(shown, reference.logits(ids, nothing, shown=label), rtol=0, atol=1e-4)
    assert (shown - reference.logits(ids, nothing)).abs().max() > 0.1


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A folder as diffusers saves it, but for what samples."""
    reference, stage = peer("Amused"), published.Diffusers(vocab_size=48)
    folder = tmp_path_factory.mktemp("pipeline")
    ids, _ = stage(published.pictures())
    reference.save(folder)
    (folder / "vqvae").mkdir()
    save_file(stage.tensors, folder / "vqvae" / "diffusion_pytorch_model.safetensors")
    (folder / "vqvae" / "config.json").write_text(json.dumps({**stage.config(), "lookup_from_codebook": True}))
    texts.save(folder / "text_encoder", texts.clip(16, 77), texts.words("</s>", True))
    (folder / "tokenizer").mkdir()
    for path in (folder / "text_encoder").glob("tokenizer*"):
        path.rename(folder / "tokenizer" / path.name)
    return folder, ids


def test_a_pipeline_has_its_tokenizer_and_text_encoder(pipeline, imported, tmp_path, capsys):  # noqa: F811
    folder, ids = pipeline
    args = ["import", "--kind", "amused", "--out", str(tmp_path / "prior.ckpt"), "--weights"]
    for weights in (folder, folder / "transformer" / "diffusion_pytorch_model.safetensors"):
        assert main([*args, str(weights)]) == 0
        prior, other = lightgen.load(tmp_path / "prior.ckpt"), lightgen.load(imported("Amused"))
        for key, tensor in prior.network.state_dict().items():
            torch.testing.assert_close(tensor, other.network.state_dict()[key], msg=key)
    # Its black and white are 0 and 1.
    assert prior.tokenizer.image_size == (16, 16)
    assert torch.equal(prior.tokenizer.encode(published.pictures() * 2 - 1), ids)
    assert prior.network.conditioner.encoder.folder == (folder / "text_encoder").resolve()
    assert prior.network.conditioner.numbers == (64, 64, 0, 0, 6)
    assert main([*args, str(folder), "--image_size", "128"]) == 0
    assert lightgen.load(tmp_path / "prior.ckpt").tokenizer.layout.cells == (8, 8)
    # Alone it says what is missing.
    alone = shutil.copytree(folder / "transformer", tmp_path / "alone" / "transformer")
    encoder = ["--text_encoder", str(folder / "text_encoder")]
    assert "give it with --tokenizer" in mistake(capsys, [*args, str(alone), *encoder])
    (alone / "config.json").unlink()
    assert f"it needs {alone / 'config.json'}, as diffusers writes it" in mistake(capsys, [*args, str(alone), *encoder])
    (alone / "config.json").write_text('{"layer_norm_eps": 1e-5}')
    assert "must have layer_norm_eps 1e-06" in mistake(capsys, [*args, str(alone), *encoder])


@pytest.mark.parametrize("name", RECIPES)
def test_an_encoder_that_is_missing_or_another(name, tmp_path, tokenizers, monkeypatch, capsys):  # noqa: F811
    reference = peer(name)
    args = command(reference, tmp_path, tokenizers)
    encoder = args[args.index("--text_encoder") + 1]
    out = ["--out", str(tmp_path / "prior.ckpt")]
    monkeypatch.chdir(tmp_path)
    assert main([*args, *out, "--text_encoder", Path(encoder).name]) == 0
    monkeypatch.chdir("/")
    sample = ["sample", "--ckpt_path", str(tmp_path / "prior.ckpt"), "--text", "cat", "--out", str(tmp_path / "out")]
    assert main(sample) == 0
    shutil.move(encoder, tmp_path / "moved")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert f"there is no folder {encoder} with a text encoder" in mistake(capsys, sample)
    assert "there is no folder nowhere with a text encoder" in mistake(
        capsys, [*args, *out, "--text_encoder", "nowhere"]
    )
    wide = tmp_path / "wide"
    if name == "Amused":
        texts.save(wide, texts.clip(24, 77), texts.words("</s>", True))
    else:
        texts.save(wide, texts.t5(24), texts.words("<pad>", False))
    line = mistake(capsys, [*args, *out, "--text_encoder", str(wide)])
    assert "the prior reads texts as features of 16 numbers, and the text encoder gives 24: give another with" in line
    pretrained._hash.cache_clear()


def test_a_whole_clip_gives_what_its_text_model_gives(tmp_path):
    """The width of the embedding is that of the whole, whatever the text model's own config says."""
    text = texts.clip(16, 77)
    config = {**text.config.to_dict(), "projection_dim": 8}
    vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
              "image_size": 8, "patch_size": 4}  # fmt: skip
    whole = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=config, vision_config=vision, projection_dim=16)
    ).eval()
    whole.text_model.load_state_dict(text.text_model.state_dict())
    whole.text_projection.load_state_dict(text.text_projection.state_dict())
    texts.save(tmp_path / "whole", whole, texts.words("</s>", True))
    encoder = CLIPText(str(tmp_path / "whole"))
    features = encoder(torch.from_numpy(to_bytes(["a red heart", "", "a red heart"])))
    pooled, states = texts.clip_states("a red heart", 16, 77)
    torch.testing.assert_close(features[0], torch.cat([pooled[None], states]), rtol=1e-5, atol=1e-5)
    assert torch.equal(features[2], features[0]) and not features[1].any() and encoder.nothing().abs().sum() > 0
    # The first row is of no token, and a text has one before it.
    assert encoder.places("a red heart", "red heart") == [3, 4]
    torch.testing.assert_close(features[0, 3], states[2], rtol=1e-5, atol=1e-5)
    with pytest.warns(UserWarning, match="^texts of more than 78 tokens"):
        encoder(torch.from_numpy(to_bytes(["a " * 90])))
    texts.save(tmp_path / "t5", texts.t5(16), texts.words("<pad>", False))
    with pytest.raises(ValueError, match="must hold a CLIP whose embeddings are as wide as its states, 16, not"):
        CLIPText(str(tmp_path / "t5"))


def test_a_sheet_of_texts_is_that_of_each_alone(imported):  # noqa: F811
    prior = lightgen.load(imported("Amused"))
    several = prior.sample(2, text=["a red heart", "black cat"], steps=3)
    assert torch.equal(several[0], prior.sample(1, text="a red heart", steps=3)[0])
    assert several.shape == (2, 3, 16, 16)
