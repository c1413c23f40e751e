"""Guidance: which branches are evaluated, how they are mixed, what a step costs, and what is refused."""

import itertools

import pytest
import torch
from stubs import OfLabel, TableNetwork, denoiser, interface

from lightgen.clock import Clock
from lightgen.condition import Condition
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.guidance import (
    AdaptiveGuidance,
    ConstantGuidance,
    CosineGuidance,
    LinearGuidance,
    PowerCosineGuidance,
    Sum,
)
from lightgen.guidance.base import ALL, TOWARDS, Branch
from lightgen.layout import Layout
from lightgen.networks import Hourglass
from lightgen.prior import Prior
from lightgen.processes import SUNDAE, Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import SUNDAE as SUNDAESampler
from lightgen.samplers import Ancestral, MaskGIT, ReMDM
from lightgen.samplers.state import State
from lightgen.tokenizers import PixelTokenizer

RAMPS = [ConstantGuidance, LinearGuidance, CosineGuidance, PowerCosineGuidance]
NULL = 3


class Labelled:
    """Logits that depend on id and class, and a record of the classes asked for."""

    def __init__(self):
        self.asked = []
        self.table = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))

    def __call__(self, ids_BN, time=None, label=None):
        self.asked.append(label.tolist())
        return self.table[label[:, None], ids_BN]


def asking(network, guidance, label=(0, 1), **more):
    made = Denoiser(OfLabel(network, NULL), Layout((1, 5), 5), Condition({"label": torch.tensor(label)}),
                    guidance=guidance, **more)  # fmt: skip
    return made.bind(torch.arange(len(label)))


def test_logits_are_mixed_with_the_one_sign_of_the_scale():
    network, ids = Labelled(), torch.arange(10).view(2, 5) % 5
    with_class, without = network.table[torch.tensor([[0], [1]]), ids], network.table[NULL, ids]
    for scale in (0.5, 2.0, 4.0):
        found = asking(network, ConstantGuidance(scale))(ids).own
        torch.testing.assert_close(found, without + scale * (with_class - without))


@pytest.mark.parametrize(("scale", "asked", "cost"), [(1, [0, 1], 1), (0, [NULL, NULL], 1), (2, [0, 1, NULL, NULL], 2)])
def test_only_needed_branches_are_evaluated_in_one_batch(scale, asked, cost):
    network = Labelled()
    made = asking(network, ConstantGuidance(scale))
    made(torch.zeros(2, 5, dtype=torch.long))
    assert network.asked == [asked] and made.evaluations.tolist() == [cost, cost]
    assert len(ConstantGuidance(scale).branches) == cost


def test_scale_one_is_no_guidance_to_the_bit():
    ids = torch.arange(10).view(2, 5) % 5
    plain = asking(Labelled(), None)(ids).own
    for one in (ConstantGuidance(1.0), LinearGuidance(1.0), AdaptiveGuidance(1.0), Sum([ConstantGuidance(1.0)] * 2)):
        assert torch.equal(asking(Labelled(), one)(ids).own, plain)


def test_a_negative_class_takes_the_place_of_no_class():
    network = Labelled()
    asking(network, ConstantGuidance(2.0, negative=2))(torch.zeros(2, 5, dtype=torch.long))
    assert network.asked == [[0, 1, 2, 2]]


def test_a_negative_condition_takes_the_place_of_what_is_hidden():
    network, negative = Labelled(), Condition({"label": torch.tensor([2, 0])})
    asking(network, ConstantGuidance(2.0), negative=negative)(torch.zeros(2, 5, dtype=torch.long))
    assert network.asked == [[0, 1, 2, 0]]


@pytest.mark.parametrize("kind", RAMPS)
def test_ramps_end_at_the_scale(kind):
    guidance = kind(5.0)
    values = guidance.at(torch.arange(21).double() / 20).tolist()
    assert values == sorted(values) and values[-1] == pytest.approx(5)
    assert guidance.constant == (kind is ConstantGuidance) and kind(1.0).constant
    if kind is not ConstantGuidance:
        assert values[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="scale must be at least 0"):
        kind(-1.0)


def test_ramps_have_their_shapes():
    def at(guidance, progress):
        return guidance.at(torch.tensor(progress).double()).item()

    assert at(LinearGuidance(3.0), 0.25) == pytest.approx(1.5)
    assert at(CosineGuidance(3.0), 0.5) == pytest.approx(2)
    assert at(PowerCosineGuidance(3.0, power=1.0), 0.3) == pytest.approx(at(CosineGuidance(3.0), 0.3))
    assert at(PowerCosineGuidance(3.0, power=3.0), 0.5) < at(CosineGuidance(3.0), 0.5)


@pytest.mark.parametrize("kind", [LinearGuidance, CosineGuidance, PowerCosineGuidance])
@pytest.mark.parametrize(("ends", "points"), [("closed", (0, 1 / 3, 2 / 3, 1)), ("left", (0, 0.25, 0.5, 0.75)),
                                              ("right", (0.25, 0.5, 0.75, 1))])  # fmt: skip
def test_a_ramp_says_which_of_its_points_the_steps_stand_for(kind, ends, points):
    ids, noise = torch.zeros(2, 5, dtype=torch.long), Noise.of(0, 2)
    for step, point in enumerate(points):
        state = State(ids, ids.bool(), noise, noise.index, 4, step)
        for sampler in (MaskGIT(4), ReMDM(4), Ancestral(4)):
            found = asking(Labelled(), kind(5.0, ends=ends))(ids, sampler.clock(state)).own
            scale = kind(5.0).at(torch.tensor(point)).item()
            torch.testing.assert_close(found, asking(Labelled(), ConstantGuidance(scale))(ids).own)


def test_a_ramp_over_one_step_or_by_what_each_picture_needs():
    assert [Clock.even(0, 1.0, 0.0, torch.zeros(1), 1).at(ends).item() for ends in ("closed", "left", "right")] == [
        0,
        0,
        1,
    ]
    assert Clock.even(0, 1.0, 0.3, torch.zeros(1)).at("left").item() == 0.3
    with pytest.raises(ValueError, match="ends must be one of closed, left, right, not both"):
        LinearGuidance(2.0, ends="both")


def test_each_picture_is_guided_by_its_own_progress():
    network, ids = Labelled(), torch.zeros(2, 5, dtype=torch.long)
    clock = Clock(0, torch.zeros(2).double(), torch.tensor([0.0, 1.0]).double())
    found = asking(network, LinearGuidance(3.0))(ids, clock).own
    first, second = (asking(Labelled(), ConstantGuidance(s))(ids).own[i] for i, s in enumerate((1.0, 3.0)))
    torch.testing.assert_close(found, torch.stack([first, second]))


def test_a_sum_adds_what_each_guidance_pushes_in_any_order_and_asks_equal_branches_once():
    network, ids = Labelled(), torch.arange(10).view(2, 5) % 5
    parts = [ConstantGuidance(2.0), ConstantGuidance(3.5, negative=2), LinearGuidance(1.7)]
    towards = network.table[torch.tensor([[0], [1]]), ids]
    null, two = network.table[NULL, ids], network.table[2, ids]
    clock = Clock(0, torch.zeros(2).double(), torch.tensor([0.3, 0.9]).double())
    ramp = 1 + 0.7 * torch.tensor([0.3, 0.9])[:, None, None]
    expected = towards + (towards - null) + 2.5 * (towards - two) + (ramp - 1) * (towards - null)
    found = [asking(network, Sum(order))(ids, clock).own for order in itertools.permutations(parts)]
    torch.testing.assert_close(found[0], expected)
    assert all(torch.equal(other, found[0]) for other in found)
    # No class stands in two of the parts.
    assert sorted(network.asked[0]) == [0, 1, 2, 2, NULL, NULL] and len(Sum(parts).branches) == 3
    alone = asking(network, Sum([ConstantGuidance(2.0)]))(ids).own
    assert torch.equal(alone, asking(network, ConstantGuidance(2.0))(ids).own)
    with pytest.raises(ValueError, match="parts must hold at least one guidance"):
        Sum([])


def test_names_can_be_hidden_one_by_one():
    given = Condition({"label": torch.tensor([1]), "style": torch.tensor([2])})
    assert Branch(hidden=("style",)).condition(given, Condition()).tensors.keys() == {"label"}
    assert Branch(hidden=ALL).condition(given, Condition()).tensors == {}
    assert ConstantGuidance(2.0, hidden=["style"]).branches == (TOWARDS, Branch(hidden=("style",)))
    # What hides nothing goes away from itself, which costs nothing and does nothing.
    assert ConstantGuidance(2.0, hidden=[]).branches == (TOWARDS,)


def test_adaptive_guidance_masks_the_least_sure_of_the_tokens_that_were_written():
    """Position n is written at step n; the network is the surer of a position the further to the right it is."""
    read = []

    def network(ids, time=None, context=None):
        read.append(ids.clone())
        return torch.nn.functional.one_hot(torch.zeros_like(ids), 3) * (1.0 + torch.arange(4)[:, None])

    made = denoiser(network, 3, (1, 4), guidance=AdaptiveGuidance(2.0, share=0.5)).bind(torch.arange(1))
    for ids in ([1, 3, 3, 3], [1, 0, 0, 3], [1, 0, 0, 2]):
        made(torch.tensor([ids]))
    # The first token was given: it is neither masked again, nor counted.
    assert [call.tolist() for call in read] == [
        [[1, 3, 3, 3], [1, 3, 3, 3]],
        [[1, 0, 0, 3], [1, 3, 0, 3]],
        [[1, 0, 0, 2], [1, 3, 0, 2]],
    ]
    assert made.evaluations.tolist() == [6]
    with pytest.raises(ValueError, match=r"share must be in \(0, 1\]"):
        AdaptiveGuidance(share=0.0)


def prior(process=SUNDAE, dropout=0.1, num_classes=NULL, sampler=None):
    made = process(256)
    torch.manual_seed(0)
    sizes = interface(made.num_ids, 256, (4, 4), num_classes)
    network = Hourglass(sizes, dim=8, depth=(1, 1, 1), heads=1, dim_head=8)
    if network.conditioner is not None:
        network.conditioner.dropout = dropout
        torch.nn.init.normal_(network.conditioner.embedding.weight, std=3.0)
    return Prior(PixelTokenizer(4), network, made, Recipe(sampler or SUNDAESampler(3))).eval()


@pytest.mark.parametrize(("process", "sampler"), [(SUNDAE, SUNDAESampler(6)), (Absorbing, MaskGIT(6)),
                                                   (Absorbing, Ancestral(6))])  # fmt: skip
def test_scales_one_and_zero_are_the_conditional_and_unconditional_draws_exactly(process, sampler):
    made, noise = prior(process, sampler=sampler), Noise.of(0, 5)
    conditional, unconditional = (made.sample_ids(noise, condition=made.condition(label, 5)).ids for label in (1, NULL))
    assert not torch.equal(conditional, unconditional)
    one, zero, two = (
        made.sample_ids(noise, Recipe(sampler, guidance=ConstantGuidance(s)), made.condition(1, 5)) for s in (1, 0, 2)
    )
    assert torch.equal(one.ids, conditional) and torch.equal(zero.ids, unconditional)
    assert torch.equal(two.trace.evaluations, 2 * one.trace.evaluations)
    assert not torch.equal(two.ids, conditional)


def guided(*scale, **negative):
    return Recipe(SUNDAESampler(3), guidance=ConstantGuidance(*scale, **negative))


def test_guidance_needs_a_condition_and_pictures_that_were_seen_without_it():
    with pytest.raises(ValueError, match="dropout of its condition above 0"):
        prior(dropout=0.0).sample(1, guided(2))
    with pytest.raises(ValueError, match="guidance needs a prior with a condition"):
        prior(num_classes=0).sample(1, guided(2))
    with pytest.raises(ValueError, match=r"negative: label must be in \[0, 2\]"):
        prior().sample(1, guided(2, negative=4))
    with pytest.raises(ValueError, match="guidance goes away from text; this prior was trained with label"):
        prior().sample(1, guided(2, hidden=["text"]))


def test_a_negative_class_by_name():
    made, told = prior(), {"label": 0, "seed": 3}
    made.categories = {"label": ("cat", "dog", "owl")}
    by_number = made.sample(4, guided(5, negative=1), **told)
    assert not torch.equal(by_number, made.sample(4, guided(5), **told))
    assert torch.equal(by_number, made.sample(4, guided(5, negative="dog"), **told))
    assert torch.equal(by_number, made.sample(4, guidance=Sum([ConstantGuidance(5, negative="dog")]), **told,
                                              sampler=SUNDAESampler(3)))  # fmt: skip
    with pytest.raises(ValueError, match="no class is called 'x'; there are cat, dog, owl"):
        made.sample(1, guided(2, negative="x"))
    with pytest.raises(ValueError, match="no class is called 'dog': this prior knows its classes by number only"):
        prior().sample(1, guided(2, negative="dog"))


def test_adaptive_guidance_needs_masks_but_no_condition():
    with pytest.raises(ValueError, match="AdaptiveGuidance masks tokens, but a prior trained with uniform noise knows"):
        prior().sample(1, Recipe(SUNDAESampler(3), guidance=AdaptiveGuidance()))
    made = prior(Absorbing, num_classes=0, sampler=MaskGIT(4))
    plain, pushed = (
        made.sample_ids(Noise.of(0, 8), made.recipe.replace(guidance=g)) for g in (None, AdaptiveGuidance(4.0))
    )
    assert not torch.equal(plain.ids, pushed.ids) and pushed.trace.evaluations.tolist() == [8] * 8


def test_rows_that_leave_keep_their_own_class_and_count():
    made = asking(TableNetwork(5, 5), None, label=(0, 1, 2))
    part = made.select(torch.tensor([False, True, True]))
    part(torch.zeros(2, 5, dtype=torch.long))
    assert part.condition.tensors["label"].tolist() == [1, 2] and made.evaluations.tolist() == [0, 1, 1]
