"""Steps of causal networks that are recorded: token by token, with keys and values in a memory that stays in place."""

import pytest
import torch
from stubs import denoiser, interface
from test_autoregressive import network as causal
from test_conditions import GRID as SMALL_GRID
from test_conditions import SMALL, Places, Words, ids_of, words_of
from test_iteration import NoSync, setting
from test_recorded import Recorder
from test_styled_networks import CLASSES
from test_styled_networks import network as styled

from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, Mixed
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance, LinearGuidance
from lightgen.layout import Layout
from lightgen.networks import RAR, CausalTransformer
from lightgen.networks.base import Interface
from lightgen.processes import Absorbing, Causal
from lightgen.samplers import Autoregressive, EBSampler, RandomOrder
from lightgen.samplers.recorded import Player
from lightgen.warps import Warps
from lightgen.windows import on_canvas


def rar():
    torch.manual_seed(0)
    made = RAR(interface(12, 11, (2, 4), CLASSES), dim=16, depth=2, heads=2)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made


READERS = {
    "causal": lambda: causal(num_classes=CLASSES),
    "another order": lambda: causal("Halton", num_classes=CLASSES),
    "adaptive": lambda: causal("backwards", num_classes=CLASSES, adaptive=True),
    "llama": lambda: styled("llama").eval(),
    "mingpt": lambda: styled("mingpt").eval(),
    "rar": lambda: rar().eval(),
}
LABEL = torch.tensor([0, 1, 1, 2])


def loop(made, player, label=LABEL, seed=0, first=0, known=None, sampler=Autoregressive, watch=False, **more):
    """Of pictures of one network; what is known are ids of another seed."""
    noise, layout = Noise.of(seed, len(label), first), made.layout
    start = Causal(layout.vocab_size).initial(layout.num_tokens, noise)
    if known is not None:
        start = torch.where(known, Noise.of(7, len(label)).integers(0, 0, layout.num_tokens, layout.vocab_size), start)
    asked = denoiser(made, layout.vocab_size, layout.grid, label, **more)
    return sampler().iterate(asked, start, known, noise, watch, player)


def assert_equal(found, expected):
    assert torch.equal(found.ids, expected.ids) and torch.equal(found.trace.changed, expected.trace.changed)
    assert torch.equal(found.trace.evaluations, expected.trace.evaluations)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(
    "more",
    [{}, {"warps": Warps(0.9, 0.5, top_k=4), "guidance": LinearGuidance(3.0)}, {"guidance": ConstantGuidance(2.0)}],
    ids=["plain", "ramps", "guided"],
)
@pytest.mark.parametrize("name", READERS)
def test_played_steps_give_the_same_ids(name, more, known):
    made, recorder = READERS[name](), Recorder()
    if known:
        more = {**more, "known": Noise.of(9, 4).uniform(0, 0, made.layout.num_tokens) < 0.3}
    expected, found = (loop(made, player, **more).run() for player in (None, Player(recorder)))
    assert_equal(found, expected)
    assert recorder.recorded == 1 and recorder.played == made.layout.num_tokens - 2


@pytest.mark.parametrize("name", ["another order", "adaptive", "llama"])
def test_a_recording_serves_the_batches_that_follow_whatever_they_are_asked_for(name):
    made, recorder, seen = READERS[name](), Recorder(), []
    player = Player(recorder)
    for first, label in ((0, LABEL), (4, LABEL), (0, LABEL.flip(0)), (0, torch.full((4,), CLASSES))):
        more = {"label": label, "first": first, "guidance": ConstantGuidance(2.0)}
        assert_equal(found := loop(made, player, **more).run(), loop(made, None, **more).run())
        assert not any(torch.equal(found.ids, other) for other in seen)
        seen.append(found.ids)
    assert recorder.recorded == 1
    for more in ({"seed": 1}, {"guidance": ConstantGuidance(4.0)}, {"label": LABEL[:3]}):
        assert_equal(loop(made, player, **more).run(), loop(made, None, **more).run())
    assert recorder.recorded == 4


@pytest.mark.parametrize("name", ["causal", "mingpt"])
def test_batches_take_turns(name):
    """Each has the recorded reader for as long as it is the last that was played."""
    made, recorder = READERS[name](), Recorder()
    player, asked = Player(recorder), ((LABEL, 0, 0), (LABEL.flip(0), 0, 4))
    one, other = (loop(made, player, *each) for each in asked)
    for _ in range(3):
        next(one)
    while other.step < 5:
        next(other)
    results = [one.run(), other.run()]
    for found, each in zip(results, asked, strict=True):
        assert_equal(found, loop(made, None, *each).run())
    assert recorder.recorded == 1


@pytest.mark.parametrize("sampler", [RandomOrder(9), EBSampler(3.0)], ids=repr)
def test_batches_of_other_samplers_take_turns_too(sampler):
    results, (denoise, start, _) = [], setting(Absorbing)
    for player in (None, Player(Recorder())):
        loops = [sampler.iterate(denoise, start, None, Noise.of(0, 4, i), player=player) for i in (0, 4)]
        for _ in zip(*loops, strict=False):
            pass
        results.append([each.run().ids for each in loops])
    assert all(map(torch.equal, *results))


@pytest.mark.parametrize("name", ["another order", "llama"])
def test_what_is_watched_edited_or_forked_is_the_same(name):
    made, recorder = READERS[name](), Recorder()
    plain, played = (loop(made, player, watch=True) for player in (None, Player(recorder)))
    for one, other in zip(plain, played, strict=True):
        assert torch.equal(one.ids, other.ids)
        torch.testing.assert_close(one.confidence, other.confidence)
        if one.step == 4:
            forks = one.fork(), other.fork()
            ids = one.ids.clone()
            ids[:, made.causal_order[1]] = 0
            one.edit(ids), other.edit(ids)
            assert_equal(forks[1].run(), forks[0].run())
            before = recorder.played
    assert recorder.played > before


class Stopping(Autoregressive):
    """A picture ends with the first token that is the last code but one."""

    def step(self, state, denoise, clock):
        ids, _ = super().step(state, denoise, clock)
        position = torch.as_tensor(denoise.position).view(1)
        return ids, ids.index_select(1, position).squeeze(1) == 5


def test_pictures_may_end_before_the_others():
    made, label, recorder = READERS["adaptive"](), LABEL.repeat(3)[:9], Recorder()
    player = Player(recorder)
    plain, played = (loop(made, use, label, sampler=Stopping) for use in (None, player))
    expected = plain.run()
    assert_equal(played.run(), expected)
    assert len(set(expected.trace.rows)) > 2 and recorder.played


@pytest.mark.parametrize("kind", ["codes", "canvas"])
def test_what_cannot_be_recorded_is_made(kind):
    recorder = Recorder()
    made = causal("Halton" if kind == "codes" else "raster", 2 if kind == "codes" else 1, CLASSES)
    if kind == "canvas":
        layout = Layout((4, 4), made.layout.vocab_size)
        made = on_canvas(made, layout)
        made.layout = layout
    expected, found = (loop(made, player).run() for player in (None, Player(recorder)))
    assert_equal(found, expected)
    assert recorder.recorded == 0


def conditioned(conditioner, adaptive):
    torch.manual_seed(0)
    made = CausalTransformer(Interface(Layout(SMALL_GRID, 7), 8, conditioner=conditioner), depth=2, adaptive=adaptive,
                             **SMALL)  # fmt: skip
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return made.eval()


CONDITIONED = {
    "all, added": lambda: conditioned(Mixed([ClassLabel(3), Words(), Places()]), False),
    "all, adaptive": lambda: conditioned(Mixed([ClassLabel(3), Words(), Places()]), True),
    "none, adaptive": lambda: conditioned(None, True),
    "vector and cells": lambda: styled("llama").eval(),
}


@pytest.mark.parametrize("name", CONDITIONED)
@torch.no_grad()
def test_a_reader_goes_on_in_the_place_of_another(name):
    """With its condition, keys and values, by numbers and by tensors of them."""
    made, readers, order = CONDITIONED[name](), [], torch.tensor([2, 0, 1])
    given = {"label": torch.tensor([0, 2, 1]), "words": words_of(3), "places": torch.arange(24).view(3, 8) % 3}
    names = () if made.conditioner is None else made.conditioner.names
    for rows in (torch.arange(3), order):
        context = made.context(Condition(given).keep(names).select(rows), 3)
        if name == "vector and cells":
            context = context._replace(cells=torch.randn(3, made.layout.num_tokens, made.dim))
        readers.append(made.reader(3, context).select(torch.arange(3)))
    plain, other, ids = *readers, ids_of(3)
    for step in range(4):
        plain(ids, step), other(ids.flip(0), step)
    for mine, theirs in zip(other.held, plain.held, strict=True):
        mine.copy_(theirs)
    for step in range(4, made.layout.num_tokens):
        with NoSync():
            found = other(ids, torch.tensor(step)) if step != 6 else other(ids, step)
        torch.testing.assert_close(found, plain(ids, step), rtol=1e-4, atol=1e-4)
