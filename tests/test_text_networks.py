"""Networks and conditioners of published priors by text, trained and asked like any other."""

import pytest
import torch
from test_recorded import Recorder
from test_text import CAPTIONS, GRID, V, caption, captioned, fit, ids_of, logits, small_text  # noqa: F401 (a fixture)

import lightgen
from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, KnownCells, Mixed, Picture, PooledText, TextPrefix
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.networks import Llama, UViT2D
from lightgen.networks.base import Interface
from lightgen.processes import Absorbing, Causal, Uniform
from lightgen.registry import build, describe
from lightgen.samplers import Autoregressive
from lightgen.samplers.recorded import Player
from lightgen.text_encoders import WordPieces

NETWORKS = {
    "llama": (Llama, {"dim": 16, "depth": 2, "heads": 2}),
    "uvit": (UViT2D, {"dim": 16, "depth": 1, "heads": 2, "channels": 12, "num_convolutions": 1}),
    "shrinking": (
        UViT2D,
        {"dim": 16, "depth": 1, "heads": 2, "channels": 12, "num_convolutions": 1, "shrink": True},
    ),
}


def pieces():
    return WordPieces(num_pieces=300, max_length=8, dim=16, heads=2)


CONDITIONERS = {
    "text": small_text,
    "prefix": lambda: TextPrefix(pieces()),
    "pooled": lambda: PooledText(pieces(), (4, 2, 0, 0, 6)),
    "mixed": lambda: Mixed([ClassLabel(3), small_text()]),
}


def network(kind, conditioner, process=None):
    torch.manual_seed(0)
    cls, sizes = NETWORKS[kind]
    layout = Layout(GRID, V)
    told = (
        Interface(layout, V + 1, conditioner=conditioner) if process is None else process.interface(layout, conditioner)
    )
    made = cls(told, **sizes).eval()
    if conditioner is not None:
        conditioner.learn(CAPTIONS)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@pytest.mark.parametrize("conditioner", CONDITIONERS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_texts_are_told_and_trained_on(kind, conditioner):
    made = network(kind, CONDITIONERS[conditioner]())
    ids, texts = ids_of(4), caption("a red heart", "black cat", "", "a red heart")
    told, none = logits(made, ids, caption=texts), logits(made, ids)
    assert told.isfinite().all() and torch.equal(none, made(ids))
    torch.testing.assert_close(told[2], none[2], rtol=1e-4, atol=1e-4)
    assert (told[:2] - none[:2]).abs().amax((1, 2)).min() > 1e-2
    alone = logits(made, ids[1:2], caption=texts[1:2])
    torch.testing.assert_close(told[1:2], alone, rtol=1e-4, atol=1e-4)
    process = (Causal if made.causal else Absorbing)(V)
    more = {"label": torch.arange(4) % 3} if conditioner == "mixed" else {}
    context = made.context(Condition({"caption": texts, **more}), 4)
    process.loss({"denoiser": lambda x, time=None: made(x, time, context)}, ids % V, Noise.of(0, 4)).loss.backward()
    idle = [name for name, p in made.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Few pieces are read in one step, and a text that is only tokens modulates nothing.
    expected = ("encoder", "to_scale_and_shift") if conditioner == "prefix" else ("encoder",)
    assert [name for name in idle if not any(part in name for part in expected)] == []


@pytest.mark.parametrize("kind", NETWORKS)
def test_without_a_text_they_know_classes_times_and_cells(kind):
    parts = [ClassLabel(3), KnownCells()]
    made = network(kind, Mixed(parts), None if kind == "llama" else Uniform(V))
    ids, time = ids_of(3) % V, None if kind == "llama" else torch.full((3,), 0.3)
    known = torch.tensor([[True, True, False, False] * 2]).expand(3, -1)

    def of(label, cells, time=time):
        return made(ids, time, made.context(Condition({"label": label, "known": cells}), 3))

    first = of(torch.tensor([0, 1, 2]), known)
    for other in (of(torch.tensor([1, 2, 0]), known), of(torch.tensor([0, 1, 2]), ~known)):
        assert ((first - other).abs().amax((1, 2)) > 1e-2).all()
    if time is not None:
        assert ((first - of(torch.tensor([0, 1, 2]), known, time * 2)).abs().amax((1, 2)) > 1e-3).all()


def test_the_features_of_nothing_are_seen_as_far_as_the_text_went():
    """In training, and in the branch that guidance goes away from; where there is no text, all of them are."""
    conditioner = TextPrefix(pieces())
    network("llama", conditioner)
    texts, hidden = caption("cat", "a red heart"), torch.tensor([True, False])
    asked = Condition({"caption": texts})
    plain, some = conditioner(asked, 2), conditioner(asked.hide(rows=hidden), 2)
    both, none = conditioner(Condition.cat([asked, asked.hide()]), 4), conditioner(Condition(), 2)
    lengths = (conditioner.encoder(texts) != 0).any(-1).sum(1)
    assert lengths[0] < lengths[1] <= 8
    for row, length in enumerate(lengths.tolist()):
        assert plain.bias[row].tolist() == [-torch.inf] * (8 - length) + [0.0] * length
    assert torch.equal(some.bias, plain.bias) and torch.equal(both.bias, plain.bias.repeat(2, 1))
    nothing = conditioner.to_tokens(conditioner.null)
    torch.testing.assert_close(some.tokens[0], nothing)
    torch.testing.assert_close(both.tokens[2:], nothing.expand(2, -1, -1))
    torch.testing.assert_close(both.tokens[:2], plain.tokens)
    assert not none.bias.any() and torch.equal(none.tokens[0], none.tokens[1])
    torch.testing.assert_close(none.tokens[0], nothing)
    features = conditioner.encoder(texts)
    torch.testing.assert_close(plain.tokens[0, -1], conditioner.to_tokens(features[0, lengths[0] - 1]))
    # Features that were worked out before tell the same, whatever is hidden.
    conditioner.encoder.frozen = True
    ahead = conditioner.ahead(asked.hide(rows=hidden))
    again = conditioner(ahead, 2)
    assert torch.equal(ahead.hidden["caption"], hidden) and ahead.tensors["caption"].ndim == 3
    torch.testing.assert_close(again.tokens, some.tokens) and torch.equal(again.bias, some.bias)


def test_a_weight_is_how_far_a_text_is_from_nothing():
    for conditioner in (TextPrefix(pieces()), PooledText(pieces(), (4, 2, 0, 0, 6))):
        made, ids = network("uvit", conditioner), ids_of(3)
        texts, hidden = caption(*["a red heart"] * 3), torch.ones(3, dtype=torch.bool)
        weights = {"caption": torch.tensor([0.0, 0.5, 1.0])}
        found = made(ids, None, made.context(Condition({"caption": texts}, {}, weights), 3))
        told, none = logits(made, ids, caption=texts), logits(made, ids, {"caption": hidden}, caption=texts)
        torch.testing.assert_close(found[0], none[0], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(found[2], told[2], rtol=1e-4, atol=1e-4)
        assert min((found[1] - other[1]).abs().max() for other in (told, none)) > 1e-2
        ahead = conditioner.ahead(Condition({"caption": texts}, {}, weights))
        assert torch.equal(ahead.weights["caption"], weights["caption"])


@pytest.mark.parametrize("kind", ["uvit", "shrinking"])
@pytest.mark.parametrize("conditioner", ["text", "pooled"])
def test_cells_attend_more_to_words_that_are_painted(kind, conditioner):
    made, ids, texts = network(kind, CONDITIONERS[conditioner]()), ids_of(2), caption("a red heart", "black cat")
    regions = torch.zeros(2, 8, 8)
    regions[:, 4:, 2] = 1

    def of(regions, strength):
        context = made.context(Condition({"caption": texts, "painted": regions}), 2)
        return made(ids, None, context._replace(strength=torch.full((2,), strength)))

    plain = logits(made, ids, caption=texts)
    for nothing in (of(regions, 0.0), of(torch.zeros_like(regions), 3.0)):
        torch.testing.assert_close(nothing, plain, rtol=1e-4, atol=1e-4)
    assert (of(regions, 50.0) - plain).abs().max() > 1e-3


def test_llama_wants_to_know_how_many_tokens_there_are():
    with pytest.raises(ValueError, match="Llama has no attention to the tokens that Mixed gives"):
        network("llama", Mixed([small_text(), Picture()]))


@torch.no_grad()
@pytest.mark.parametrize("conditioner", CONDITIONERS)
def test_a_reader_begins_with_the_text(conditioner):
    made, ids = network("llama", build(describe(CONDITIONERS[conditioner]()), "conditioner")), ids_of(4) % V
    made.conditioner.learn(CAPTIONS)
    asked = Condition({"caption": caption("black cat", "", "the moon", "two dogs")})
    context = made.context(asked, 4)
    reader, whole, rows = made.reader(4, context), made(ids, None, context), torch.tensor([3, 0])
    for step in range(4):
        torch.testing.assert_close(reader(ids, step), whole[:, step], rtol=1e-4, atol=1e-4)
    reader = reader.select(rows)
    for step in range(4, 8):
        torch.testing.assert_close(reader(ids[rows], step), whole[rows, step], rtol=1e-4, atol=1e-4)


def test_played_steps_give_the_same_ids():
    made, recorder = network("llama", TextPrefix(pieces())), Recorder()

    def loop(player, first=0):
        asked = Condition({"caption": caption("black cat", "a red heart", "the moon")})
        denoise = Denoiser(made, made.layout, asked, guidance=ConstantGuidance(2.0))
        noise = Noise.of(0, 3, first)
        return Autoregressive().iterate(denoise, Causal(V).initial(8, noise), None, noise, False, player).run()

    player = Player(recorder)
    for first in (0, 3):
        assert torch.equal(loop(player, first).ids, loop(None, first).ids)
    assert recorder.recorded == 1 and recorder.played > 8


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda told: UViT2D(told, 16, heads=3), "heads must divide 16, and 3 does not"),
        (lambda told: UViT2D(told, 16, heads=2, channels=10), "channel_heads must divide 10, and 3 does not"),
        (
            lambda told: UViT2D(Interface(Layout((3, 4), V), V + 1), shrink=True),
            "shrink takes grids of an even height and width, not 3x4",
        ),
        (lambda told: UViT2D(Interface(Layout(GRID, V, 2), V + 1)), "UViT2D takes one code at a cell, not 2"),
        (lambda told: PooledText(numbers=(1, 2)), "numbers must be five, not 2"),
    ],
)
def test_sizes_that_do_not_fit(make, said):
    with pytest.raises(ValueError, match=said):
        make(Interface(Layout(GRID, V), V + 1))


@pytest.mark.parametrize(("kind", "conditioner"), [("Llama", "TextPrefix"), ("UViT2D", "PooledText")])
def test_training_from_a_config(kind, conditioner, captioned, capsys):  # noqa: F811
    options = ["--model.network", kind, "--model.network.dim", "16", "--model.network.depth", "1"]
    options += ["--model.network.heads", "2", "--model.conditioner", conditioner, "--model.others", "{}"]
    if kind == "Llama":
        options += ["--model.process", "Causal", "--model.recipe.sampler", "Autoregressive"]
    assert fit(captioned, *options, "--trainer.max_steps", "2") == 0
    prior = lightgen.load(captioned / "run" / "last.ckpt")
    assert type(prior.network).__name__ == kind and type(prior.network.conditioner).__name__ == conditioner
    assert prior.sample(2, text="a red heart", negative_text="black cat", guidance=2.0).shape == (2, 1, 4, 4)
