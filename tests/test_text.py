"""Text as a condition: pieces of words, what is hidden or padded, who listens; through training and checkpoints."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from stubs import far_from_neutral

import lightgen
from lightgen.checkpoint import fingerprint
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, Mixed, Text
from lightgen.denoiser import Denoiser
from lightgen.functional.byte_pairs import BytePairs, learned, words
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.modules.initial import take
from lightgen.modules.prior import conditioned
from lightgen.networks import CausalTransformer, Hourglass, MaskBit, Transformer
from lightgen.networks.base import Interface
from lightgen.prior import Prior
from lightgen.processes import MaskGIT as MaskGITProcess
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.samplers import MaskGIT
from lightgen.text_encoders import WordPieces
from lightgen.tokenizers import PixelTokenizer
from lightgen.warps import Warps

V, GRID = 7, (2, 4)
SMALL = {"dim": 16, "heads": 2, "dim_head": 8}
NETWORKS = {"flat": (Transformer, {"depth": 2}), "hourglass": (Hourglass, {"depth": (1, 1, 1)}),
            "causal": (CausalTransformer, {"depth": 4})}  # fmt: skip
CAPTIONS = ["a red heart", "black cat", "two dogs", "the moon"]


def small_text(**more):
    return Text(WordPieces(num_pieces=300, max_length=8, dim=16, heads=2), **more)


def caption(*texts):
    return torch.from_numpy(to_bytes(texts))


def network(kind, conditioner, seed=0, **more):
    cls, sizes = NETWORKS[kind]
    made = far_from_neutral(cls, Layout(GRID, V), conditioner, seed, **sizes, **SMALL, **more)
    conditioner.learn(CAPTIONS)
    return made


def logits(made, ids, hidden=None, **tensors):
    return made(ids, None, made.context(Condition(tensors, hidden or {}), len(ids)))


def ids_of(batch):
    return Noise.of(1, batch).integers(0, 0, 8, V)


def test_word_pieces_are_learned_the_most_frequent_first_and_spell_every_text():
    # By hand: "lo" stands six times, then " lo" five times, "low" having become " lo" and "w".
    assert learned(["low low low lower lower", "slot"], 3) == [b"lo", b" lo", b" low"]
    pieces = learned(CAPTIONS, 100)
    assert pieces == learned(CAPTIONS[::-1], 100) and len(set(pieces)) == len(pieces)
    assert pieces[:3] == learned(CAPTIONS, 3)
    read = BytePairs(pieces)
    # Every word that was there is one piece.
    assert [read.piece(n) for n in read.numbers("A Red  heart")] == [b" a", b" red", b" heart"]
    for text in ("Über 3½ ☂ don't-stop!", "日本", "🦊fox", "x" * 500):
        spelt = b"".join(map(read.piece, read.numbers(text)))
        assert spelt.decode() == "".join(words(text)) == " " + text.lower()
    assert read.numbers("") == [] and learned([], 5) == []


def test_word_pieces_keep_their_vocabulary_with_the_weights():
    encoder, texts = WordPieces(num_pieces=280, dim=16), caption("red heart", "", "☂")
    encoder.learn(CAPTIONS)
    state = encoder.state_dict()
    other = build(describe(encoder), "text encoder")
    assert not torch.equal(other.numbers(texts), encoder.numbers(texts))
    other.load_state_dict(state)
    assert torch.equal(other.numbers(texts), encoder.numbers(texts)) and fingerprint(other) == fingerprint(encoder)
    assert torch.equal(other.eval()(texts), encoder.eval()(texts))
    # What it knows stays, whatever comes later.
    before = other.vocabulary.pieces
    other.learn(["entirely different things"])
    assert other.vocabulary.pieces == before and len(before) == 24
    for wrong in (state["_extra_state"][1:], state["_extra_state"].float(), "words"):
        with pytest.raises(ValueError, match=r"the word pieces do not fit: they must be \(24, 16\) uint8"):
            other.load_state_dict(state | {"_extra_state": wrong})


def test_features_are_rows_of_tokens_and_zeros_whatever_stands_beside():
    encoder = WordPieces(num_pieces=300, max_length=6, dim=16).eval()
    encoder.learn(CAPTIONS)
    features = encoder(caption("a red heart", "", "the moon"))
    assert features.shape == (3, 6, 16) and encoder.dim == 16
    assert (features != 0).any(-1).sum(1).tolist() == [3, 0, 2]
    assert torch.equal(encoder(torch.nn.functional.pad(caption("the moon"), (0, 40)))[0], features[2])
    assert encoder(torch.zeros(2, 0, dtype=torch.uint8)).abs().sum() == 0
    assert sum(p.numel() for p in WordPieces().parameters()) < 500_000


def test_training_that_begins_with_other_weights_takes_their_pieces():
    before, now = (network("flat", small_text(), seed) for seed in (0, 1))
    now.conditioner.encoder.set_extra_state(torch.zeros_like(now.conditioner.encoder.get_extra_state()))
    take(now, before)
    pieces = list(now.conditioner.encoder.vocabulary.pieces)
    now.conditioner.learn(["something else"])
    assert now.conditioner.encoder.vocabulary.pieces == pieces == before.conditioner.encoder.vocabulary.pieces != []


def test_a_text_that_is_too_long_is_cut_and_counted():
    encoder = WordPieces(num_pieces=256, max_length=4, dim=16, depth=0)
    encoder.learn(CAPTIONS)
    assert encoder.vocabulary.pieces == []
    with pytest.warns(UserWarning, match=r"^texts of more than 4 tokens, cut there .*: 1 so far$") as told:
        features = encoder(caption("word " * 5000, "abc"))
    assert len(told) == 1 and torch.equal(features[0], encoder(caption("wor"))[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder(caption("abcd"))
    with pytest.warns(UserWarning, match=": 12 so far"):
        encoder(caption(*["abcdef"] * 10))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_pieces": 255}, "num_pieces must be at least 256, the number of bytes, not 255"),
        ({"max_length": 0}, "max_length must be at least 1, not 0"),
        ({"dim": 10}, "heads must divide dim, not 4 and 10"),
        ({"depth": -1}, "depth must be at least 0, not -1"),
    ],
)
def test_sizes_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        WordPieces(**options)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_hidden_empty_and_absent_are_the_same_to_the_bit(kind, adaptive):
    made, ids = network(kind, small_text(), adaptive=adaptive), ids_of(3)
    texts = caption("a red heart", "black cat", "")
    told, none = logits(made, ids, caption=texts), logits(made, ids)
    assert torch.equal(none, made(ids)) and torch.equal(told[2], none[2])
    assert (told[:2] - none[:2]).abs().amax((1, 2)).min() > 1e-2
    assert (told[0] - logits(made, ids, caption=texts[[1, 0, 2]])[0]).abs().max() > 1e-2
    hidden = torch.tensor([True, False, False])
    some = logits(made, ids, {"caption": hidden}, caption=texts)
    assert torch.equal(some[0], none[0]) and torch.equal(some[1], told[1])
    assert torch.equal(logits(made, ids, {"caption": hidden | True}, caption=texts), none)
    # The branch without it, as guidance asks for it beside the one with it.
    branches = Condition.cat([Condition({"caption": texts}), Condition({"caption": texts}).hide()])
    assert torch.equal(made(ids.repeat(2, 1), None, made.context(branches, 6))[3:], none)


@pytest.mark.parametrize("kind", NETWORKS)
def test_padding_changes_no_logit(kind):
    made, ids, texts = network(kind, small_text()), ids_of(2), caption("a red heart", "cat")
    told = logits(made, ids, caption=texts)
    assert torch.equal(logits(made, ids, caption=torch.nn.functional.pad(texts, (0, 9))), told)
    # The order of the sum over tokens may change with their number, and so the last bit.
    features = made.conditioner.encoder(texts)
    assert torch.equal(logits(made, ids, caption=features), told)
    for padded in (features[:, :3], torch.nn.functional.pad(features, (0, 0, 0, 30))):
        torch.testing.assert_close(logits(made, ids, caption=padded), told, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(logits(made, ids[:1], caption=features[:1, :3]), told[:1], rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("adaptive", [False, True])
def test_beside_classes_and_in_a_reader_that_keeps_keys_and_values(adaptive):
    mixed = Mixed([ClassLabel(3), small_text()])
    assert mixed.attended and mixed.names == ("label", "caption", "painted")
    made, ids = network("causal", build(describe(mixed), "conditioner"), adaptive=adaptive), ids_of(3)
    given = Condition({"label": torch.tensor([0, 2, 1]), "caption": caption("black cat", "", "the moon")})
    context = made.context(given, 3)
    reader, whole = made.reader(3, context), made(ids, None, context)
    for step, position in enumerate(made.causal_order.tolist()):
        torch.testing.assert_close(reader(ids, step), whole[:, position], rtol=1e-4, atol=1e-4)
    assert not torch.equal(logits(made, ids, **given.tensors), logits(made, ids, label=given.tensors["label"]))


def test_a_text_is_read_once_a_batch(monkeypatch):
    made, read = network("flat", small_text()), []
    numbers = WordPieces.numbers
    monkeypatch.setattr(WordPieces, "numbers", lambda self, texts: read.append(len(texts)) or numbers(self, texts))
    asked = Condition({"caption": caption(*CAPTIONS)})
    denoise = Denoiser(made, made.layout, asked, guidance=ConstantGuidance(2.0))
    MaskGIT(6)(denoise, torch.full((4, 8), V), None, Noise.of(0, 4))
    assert read == [8]


@pytest.mark.parametrize("tensor", [torch.zeros(2, 3), torch.zeros(2, 3, 5), torch.zeros(2, 3).long()])
def test_what_is_no_text_is_refused(tensor):
    conditioner = small_text()
    with pytest.raises(ValueError, match=r"caption must be \(B, L\) uint8 or \(B, L, 16\) float, not \(2, 3"):
        conditioner.require(Condition({"caption": tensor}))
    conditioner.require(Condition({"caption": torch.zeros(2, 3, 16)}))
    conditioner.require(Condition())


def test_networks_that_cannot_attend_refuse_it():
    with pytest.raises(ValueError, match="MaskBit has no attention to the tokens that Text gives"):
        MaskBit(Interface(Layout(GRID, V), V + 1, conditioner=Text()))


@pytest.fixture(scope="module")
def listener():
    """A prior that was trained for two seconds on four captions and four pictures of one colour each."""
    torch.manual_seed(0)
    tokenizer, process = PixelTokenizer(4), MaskGITProcess(256)
    conditioner = Mixed([small_text(dropout=0.4)], dropout=0.0)
    made = Transformer(process.interface(tokenizer.layout, conditioner), depth=1, dim=32, heads=2, dim_head=16)
    prior = Prior(tokenizer, made, process, Recipe(MaskGIT(4), Warps(0.1)))
    conditioner.learn(CAPTIONS)
    optimizer = torch.optim.AdamW(made.parameters(), 5e-3)
    for step in range(100):
        noise = Noise.of(step, 16)
        ids = (torch.arange(16) % 4)[:, None].expand(-1, 16)
        told = conditioner.hide(Condition({"caption": caption(*CAPTIONS * 4)}), noise)
        optimizer.zero_grad()
        process.loss(conditioned(prior, told), ids, noise).loss.backward()
        optimizer.step()
    return prior.eval()


@torch.no_grad()
def test_it_listens_and_shuffled_text_scores_as_chance(listener):
    asked = torch.arange(4).repeat(4)
    made = listener.sample_ids(Noise.of(0, 16), condition=Condition({"caption": caption(*CAPTIONS * 4)})).ids
    assert torch.equal(made, asked[:, None].expand(-1, 16))
    # Every caption with every picture: one of four is right.
    shuffled = torch.arange(4).repeat_interleave(4)
    assert (made[:, 0] == shuffled).float().mean() == 0.25
    mask, pictures = torch.full((16, 16), 256), asked[:, None].expand(-1, 16)

    def loss(**tensors):
        answer = listener.network(mask, None, listener.network.context(Condition(tensors), 16))
        return torch.nn.functional.cross_entropy(answer.flatten(0, 1), pictures.flatten()).item()

    assert loss(caption=caption(*CAPTIONS * 4)) < 0.2
    # What says nothing of the picture is no better than a guess among four.
    assert min(loss(), loss(caption=caption(*[CAPTIONS[i] for i in shuffled]))) > np.log(4)


def test_a_checkpoint_holds_all_that_it_takes(listener, tmp_path):
    lightgen.checkpoint.save(listener, tmp_path / "prior.ckpt")
    loaded, given = lightgen.load(tmp_path / "prior.ckpt"), Condition({"caption": caption(*CAPTIONS)})
    assert torch.equal(*(p.sample_ids(Noise.of(3, 4), condition=given).ids for p in (listener, loaded)))
    lightgen.checkpoint.export(tmp_path / "prior.ckpt", tmp_path / "folder", half=True)
    again = lightgen.load(tmp_path / "folder")
    pieces = [p.network.conditioner.parts[0].encoder.vocabulary.pieces for p in (listener, again)]
    assert pieces[0] == pieces[1] and b" heart" in pieces[0]


CONFIG = """
trainer: {max_steps: 4, max_epochs: -1, val_check_interval: 2, check_val_every_n_epoch: null, logger: false,
          enable_progress_bar: false, callbacks: [{class_path: lightning.pytorch.callbacks.EMAWeightAveraging,
                                                   init_args: {decay: 0.5}}]}
checkpoints: {every_n_train_steps: 2}
model:
  class_path: PriorModule
  init_args:
    tokenizer: {class_path: PixelTokenizer, init_args: {image_size: 4}}
    network: {class_path: Transformer, init_args: {dim: 16, depth: 1, heads: 2, dim_head: 8}}
    others: {critic: {class_path: Transformer, init_args: {dim: 16, depth: 1, heads: 2, dim_head: 8}}}
    process: {class_path: MaskGIT}
    recipe: {sampler: {class_path: MaskGIT, init_args: {steps: 2}}}
    conditioner:
      class_path: Mixed
      init_args:
        dropout: 0.1
        parts:
          - {class_path: Text, init_args: {encoder: {class_path: WordPieces, init_args: {num_pieces: 280, dim: 8}}}}
data:
  class_path: ImageFolder
  init_args: {image_size: 4, channels: 1, batch_size: 4, captions: text, val_fraction: 0.2, test_fraction: 0}
"""


@pytest.fixture
def captioned(tmp_path):
    """A folder of grey pictures, each called by how bright it is, and a config."""
    root, lines = tmp_path / "pictures", []
    root.mkdir()
    for i in range(20):
        Image.new("L", (4, 4), 85 * (i % 4)).save(root / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": CAPTIONS[i % 4]}))
    (root / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "text.yaml").write_text(CONFIG, encoding="utf-8")
    return tmp_path


def fit(folder, *more):
    fixed = ["--config", str(folder / "text.yaml"), "--trainer.default_root_dir", str(folder / "run")]
    return main(["fit", *fixed, "--data.root", str(folder / "pictures"), *map(str, more)])


def test_fit_learns_the_pieces_once_and_keeps_them(captioned, capsys):
    assert fit(captioned) == 0
    last = captioned / "run" / "last.ckpt"
    state = torch.load(last, weights_only=True)
    name = "prior.network.conditioner.parts.0.encoder._extra_state"
    table = state["state_dict"][name]
    assert table.any() and torch.equal(table, state["current_model_state"][name])
    prior = lightgen.load(last)
    pieces = prior.network.conditioner.parts[0].encoder.vocabulary.pieces
    assert len(pieces) == 24 and set(pieces) <= {*learned(CAPTIONS, 100)}
    assert torch.equal(prior.others["critic"].conditioner.parts[0].encoder.get_extra_state(), table)
    # Other captions come when it goes on: the pieces stay.
    metadata = captioned / "pictures" / "metadata.jsonl"
    metadata.write_text(metadata.read_text(encoding="utf-8").replace("cat", "zzzzz"), encoding="utf-8")
    assert fit(captioned, "--ckpt_path", last, "--trainer.max_steps", 6) == 0
    resumed = torch.load(last, weights_only=True)
    assert resumed["global_step"] == 6
    assert all(torch.equal(resumed[part][name], table) for part in ("state_dict", "current_model_state"))


def test_data_without_captions_are_refused(captioned, capsys):
    assert fit(captioned, "--data.captions", "null") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "lightgen: there are no captions to learn word pieces from; "
        "--data.captions NAME takes that column, or NAME.txt beside each picture"
    )
    # An encoder that learns nothing would not notice.
    with pytest.raises(ValueError, match="the data have no captions, which the conditioner Text is trained with; "):
        Text().hide(Condition(), Noise.of(0, 2))
