"""Conditions and conditioners: rows that are told and hidden, tokens that are attended to, vectors, cells."""

import pytest
import torch
from stubs import far_from_neutral, interface
from torch import nn

from lightgen.clock import Clock
from lightgen.condition import Condition, Context
from lightgen.conditioners import ClassLabel, Mixed
from lightgen.conditioners.base import Conditioner
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.registry import build, describe
from lightgen.samplers import MaskGIT

V, GRID, L, C = 7, (2, 4), 3, 5
SMALL = {"dim": 16, "heads": 2, "dim_head": 8}
NETWORKS = {
    "flat": (Transformer, {"depth": 4}), "hourglass": (Hourglass, {"depth": (1, 1, 1)}),
    "causal": (CausalTransformer, {"depth": 4}),
}  # fmt: skip


class Words(Conditioner):
    """`words` (B, L, C) to attend to, each of a weight (B, L)."""

    attended = True

    def __init__(self, width: int = C, dropout: float = 0.1) -> None:
        super().__init__(dropout)
        self.width = width

    @property
    def names(self):
        return ("words", "weight")

    def attach(self, dim):
        self.project = nn.Linear(self.width, dim)

    def forward(self, condition, num_rows):
        words = condition.tensors.get("words", torch.zeros(num_rows, 1, self.width))
        weight = condition.tensors.get("weight", torch.full(words.shape[:2], float("words" in condition.tensors)))
        if "words" in condition.hidden:
            weight = weight.masked_fill(condition.hidden["words"][:, None], 0.0)
        return Context(tokens=self.project(words), bias=weight.log())


class Places(Conditioner):
    """`places` (B, h w) classes of cells."""

    @property
    def names(self):
        return ("places",)

    def attach(self, dim):
        self.embedding = nn.Embedding(3, dim)

    def forward(self, condition, num_rows):
        return Context(cells=self.embedding(condition.tensors["places"]) if "places" in condition.tensors else None)


def network(kind, conditioner, **more):
    cls, sizes = NETWORKS[kind]
    return far_from_neutral(cls, Layout(GRID, V), conditioner, **sizes, **SMALL, **more)


def logits(made, ids, **tensors):
    return made(ids, None, made.context(Condition(tensors), len(ids)))


def ids_of(batch=2):
    return Noise.of(1, batch).integers(0, 0, 8, V)


def words_of(batch=2, length=L):
    return torch.randn(batch, length, C, generator=torch.Generator().manual_seed(3))


def test_rows_can_be_selected_repeated_joined_and_hidden():
    given = Condition({"label": torch.tensor([3, 5]), "words": words_of()})
    assert given.select(torch.tensor([False, True])).tensors["label"].tolist() == [5]
    assert given.repeat(2).tensors["words"].shape == (4, L, C) and given.repeat(2).tensors["label"].tolist() == [
        3,
        5,
        3,
        5,
    ]
    assert given.hide("label").tensors.keys() == {"words"} and not given.hide()
    some = given.hide("label", rows=torch.tensor([True, False]))
    assert some.hidden["label"].tolist() == [True, False] and some.replace(label=torch.zeros(2)).hidden == {}
    both = Condition.cat([some, given.hide("words")])
    assert both.hidden["label"].tolist() == [True, False, False, False]
    assert both.hidden["words"].tolist() == [False, False, True, True]
    assert Condition.cat([given, given]).hidden == {}
    assert torch.equal(both.select(torch.tensor([2])).tensors["words"], words_of()[:1])


def test_what_is_shorter_gets_zeros_behind():
    captions = {"caption": torch.tensor([[102, 111, 120], [97, 0, 0]], dtype=torch.uint8)}
    long = Condition({**captions, "words": words_of(length=1), "label": torch.tensor([3, 5])})
    short = Condition({"caption": torch.tensor([[98], [99]], dtype=torch.uint8), "words": words_of()})
    both = Condition.cat([long, short, Condition()])
    assert both.tensors["caption"].dtype == torch.uint8
    first = [[102, 111, 120], [97, 0, 0]]
    assert both.tensors["caption"].tolist() == [*first, [98, 0, 0], [99, 0, 0], *first]
    rows = both.tensors["words"]
    assert rows.shape == (6, L, C) and not rows[:2, 1:].any() and torch.equal(rows[4:], rows[:2])
    assert torch.equal(rows[:2, :1], words_of(length=1)) and torch.equal(rows[2:4], words_of())
    assert both.hidden["caption"].tolist() == [False] * 4 + [True] * 2
    assert both.hidden["label"].tolist() == [False] * 2 + [True] * 4
    # Whatever is put in its place may be of any length.
    assert long.update(short).tensors["words"].shape == (2, L, C) and short.repeat(2).tensors["caption"].shape == (4, 1)


@torch.no_grad()
def test_a_shorter_negative_is_seen_as_it_is_alone():
    made, ids, guidance = network("flat", Words()), ids_of(), ConstantGuidance(2.0)
    towards, away = ({"words": words_of(length=n), "weight": torch.ones(2, n)} for n in (L, 1))
    denoise = Denoiser(made, made.layout, Condition(towards), Condition(away), guidance=guidance)
    clock = Clock.even(0, torch.nan, 0.0, ids)
    own = denoise.bind(torch.arange(2), keeps=True)(ids, clock).own
    apart = [made(ids, None, made.context(Condition(part), 2)).float() for part in (towards, away)]
    mixed = guidance.combine(dict(zip(denoise.branches, apart, strict=True)), ids, clock)
    torch.testing.assert_close(own, mixed, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_a_condition_tells_and_hiding_it_is_the_same_as_not_giving_it(kind, adaptive):
    made = network(kind, ClassLabel(3), adaptive=adaptive)
    ids, label = ids_of(), torch.tensor([0, 2])
    told, null = logits(made, ids, label=label), logits(made, ids)
    assert not torch.allclose(told, null, atol=1e-3)
    hidden = Condition({"label": label}).hide("label", rows=torch.tensor([True, False]))
    torch.testing.assert_close(made(ids, None, made.context(hidden, 2)), torch.stack([null[0], told[1]]))
    assert torch.equal(made(ids), null)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("adaptive", [False, True])
def test_weight_zero_is_absent_and_padding_changes_no_logit(kind, adaptive):
    made, ids, words = network(kind, Words(), adaptive=adaptive), ids_of(), words_of()
    told = logits(made, ids, words=words)
    assert not torch.allclose(told, logits(made, ids, words=words.flip(0)), atol=1e-3)
    assert not torch.allclose(told, logits(made, ids), atol=1e-3)
    padded = torch.cat([words, torch.full((2, 4, C), 9.0)], 1)
    weight = torch.ones(2, L + 4)
    weight[:, L:] = 0
    torch.testing.assert_close(logits(made, ids, words=padded, weight=weight), told)
    # What stands in the padding makes no difference at all.
    other = torch.cat([words, padded[:, L:] * -2], 1)
    assert torch.equal(*(logits(made, ids, words=w, weight=weight) for w in (padded, other)))
    # One word of three at weight 0 is the other two; all at 0 is nothing.
    two = torch.tensor([[1.0, 0.0, 1.0]]).repeat(2, 1)
    torch.testing.assert_close(logits(made, ids, words=words, weight=two), logits(made, ids, words=words[:, [0, 2]]))
    torch.testing.assert_close(logits(made, ids, words=words, weight=torch.zeros(2, L)), logits(made, ids))
    half = logits(made, ids, words=words, weight=torch.full((2, L), 0.5))
    assert half.isfinite().all() and not torch.allclose(half, told, atol=1e-3)


@pytest.mark.parametrize("kind", NETWORKS)
def test_vectors_stand_in_for_ids_and_cells_are_told_one_by_one(kind):
    made, ids = network(kind, Places()), ids_of()
    vectors = made.token(ids)
    torch.testing.assert_close(made(vectors), made(ids))
    places = torch.zeros(2, 8, dtype=torch.long)
    other = places.clone()
    other[:, 0] = 1
    first, second = (logits(made, ids, places=p) for p in (places, other))
    changed = (first != second).any(-1)[0]
    # A causal network is told of a cell while it fills it.
    assert changed.all() and not torch.allclose(first, made(ids), atol=1e-3)


@torch.no_grad()
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("conditioner", [ClassLabel(3), Words(), Places(), Mixed([ClassLabel(3), Words(), Places()])])
def test_a_reader_with_a_cache_sees_the_condition_as_the_network_does(conditioner, adaptive):
    made, ids = network("causal", build(describe(conditioner), "conditioner"), adaptive=adaptive), ids_of(3)
    given = {"label": torch.tensor([0, 2, 1]), "words": words_of(3), "places": torch.arange(24).view(3, 8) % 3}
    context = made.context(Condition(given).keep(conditioner.names), 3)
    reader, whole = made.reader(3, context), made(ids, None, context)
    for step, position in enumerate(made.causal_order.tolist()):
        torch.testing.assert_close(reader(ids, step), whole[:, position], rtol=1e-4, atol=1e-4)
        if step == 4:
            kept = torch.tensor([True, False, True])
            reader, ids, whole = reader.select(kept), ids[kept], whole[kept]


def test_adaptive_norms_do_nothing_at_first_and_cost_nothing_where_they_are_off():
    torch.manual_seed(0)
    adaptive = Transformer(interface(V, V, GRID, 3), depth=1, adaptive=True, **SMALL).eval()
    # With gates at zero every block passes on what it gets.
    assert torch.equal(adaptive.body(torch.ones(1, 8, 16), Context(torch.ones(1, 1, 16))), torch.ones(1, 8, 16))
    plain = Transformer(interface(V, V, GRID, 3), depth=1, **SMALL)
    assert not [name for name, _ in plain.named_modules() if "modulation" in name or "cross" in name]


def test_a_mixture_hides_each_part_alone_and_all_together():
    mixed, noise = Mixed([ClassLabel(3, dropout=0.2), Words(dropout=0.4)], dropout=0.1), Noise.of(0, 20_000)
    given = Condition({"label": torch.zeros(20_000).long(), "words": torch.zeros(20_000, L, C)})
    hidden = mixed.hide(given, noise).hidden
    label, words = (hidden[name].double().mean().item() for name in ("label", "words"))
    both = (hidden["label"] & hidden["words"]).double().mean().item()
    assert label == pytest.approx(0.1 + 0.9 * 0.2, abs=0.01) and words == pytest.approx(0.1 + 0.9 * 0.4, abs=0.015)
    assert both == pytest.approx(0.1 + 0.9 * 0.2 * 0.4, abs=0.01)
    # Alone is enough for guidance that hides that name alone; together for one that hides all.
    assert mixed.hides(["label"]) and mixed.hides(mixed.names)
    assert not Mixed([ClassLabel(3, dropout=0.0), Words(dropout=0.4)]).hides(["label"])
    nested = Mixed([Mixed([ClassLabel(3, dropout=0.5)], dropout=0.0), Words(dropout=0.5)], dropout=0.0)
    hidden = nested.hide(given, noise).hidden
    assert (hidden["label"] & hidden["words"]).double().mean().item() == pytest.approx(0.25, abs=0.02)
    with pytest.raises(ValueError, match="parts must be conditioners of different names, not of label, label"):
        Mixed([ClassLabel(3), ClassLabel(2)])
    with pytest.raises(ValueError, match=r"dropout must be in \[0, 1\], not 2"):
        ClassLabel(3, dropout=2)


def test_a_context_is_worked_out_once_a_batch_in_all_branches():
    asked = []

    class Counting(Words):
        def forward(self, condition, num_rows):
            asked.append(num_rows)
            return super().forward(condition, num_rows)

    made = network("flat", Counting())
    mask = torch.full((4, 8), V)
    denoise = Denoiser(made, made.layout, Condition({"words": words_of(4)}), guidance=ConstantGuidance(2.0))
    MaskGIT(6)(denoise, mask, None, Noise.of(0, 4))
    assert asked == [8]
    first, *rest = (layer for layer in made.context(Condition({"words": words_of(4)}), 4).memory)
    assert first.shape == (4, 2, 2, L + 1, 8) and len(rest) == 1 and not torch.equal(first, rest[0])
