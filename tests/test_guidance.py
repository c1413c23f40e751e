"""Classifier-free guidance: which branches are evaluated, how they are mixed, and what is refused."""

import pytest
import torch
from stubs import TableNetwork

from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance, CosineGuidance, LinearGuidance, PowerCosineGuidance
from lightgen.networks import Hourglass
from lightgen.prior import Prior
from lightgen.processes import SUNDAE, Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import SUNDAE as SUNDAESampler
from lightgen.samplers import Ancestral, MaskGIT
from lightgen.tokenizers import PixelTokenizer

RAMPS = [ConstantGuidance, LinearGuidance, CosineGuidance, PowerCosineGuidance]
NULL = 3


class Labelled(torch.nn.Module):
    """Logits that depend on id and class, and a record of the classes asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.table = torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(0))

    def forward(self, ids_BN, time=None, label=None):
        self.asked.append(label.tolist())
        return self.table[label[:, None], ids_BN]


def denoiser(network, guidance, label=(0, 1)):
    made = Denoiser(network, torch.tensor(label), guidance=guidance, null=NULL)
    return made.bind(torch.arange(len(label)))


def test_logits_are_mixed_with_the_one_sign_of_the_scale():
    network, ids = Labelled(), torch.arange(10).view(2, 5) % 5
    with_class, without = network.table[torch.tensor([[0], [1]]), ids], network.table[NULL, ids]
    for scale in (0.5, 2.0, 4.0):
        found = denoiser(network, ConstantGuidance(scale))(ids)
        torch.testing.assert_close(found, without + scale * (with_class - without))


@pytest.mark.parametrize(("scale", "asked", "cost"), [(1, [0, 1], 1), (0, [NULL, NULL], 1), (2, [0, 1, NULL, NULL], 2)])
def test_only_needed_branches_are_evaluated_in_one_batch(scale, asked, cost):
    network = Labelled()
    made = denoiser(network, ConstantGuidance(scale))
    made(torch.zeros(2, 5, dtype=torch.long))
    assert network.asked == [asked] and made.evaluations.tolist() == [cost, cost]


def test_a_negative_class_takes_the_place_of_no_class():
    network = Labelled()
    denoiser(network, ConstantGuidance(2.0, negative=2))(torch.zeros(2, 5, dtype=torch.long))
    assert network.asked == [[0, 1, 2, 2]]


@pytest.mark.parametrize("kind", RAMPS)
def test_ramps_end_at_the_scale(kind):
    guidance = kind(5.0)
    values = [guidance(i / 20) for i in range(21)]
    assert values == sorted(values) and values[-1] == pytest.approx(5)
    assert guidance.constant == (kind is ConstantGuidance) and kind(1.0).constant
    if kind is not ConstantGuidance:
        assert values[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="scale must be at least 0"):
        kind(-1.0)


def test_ramps_have_their_shapes():
    assert LinearGuidance(3.0)(0.25) == pytest.approx(1.5)
    assert CosineGuidance(3.0)(0.5) == pytest.approx(2)
    assert PowerCosineGuidance(3.0, power=1.0)(0.3) == pytest.approx(CosineGuidance(3.0)(0.3))
    assert PowerCosineGuidance(3.0, power=3.0)(0.5) < CosineGuidance(3.0)(0.5)


def prior(process=SUNDAE, label_dropout=0.1, num_classes=NULL, sampler=None):
    made, grid = process(256), (4, 4)
    torch.manual_seed(0)
    network = Hourglass(made.num_ids, 256, grid, num_classes, dim=8, depth=(1, 1, 1), heads=1, dim_head=8)
    if network.label is not None:
        torch.nn.init.normal_(network.label.weight, std=3.0)
    chosen = sampler or SUNDAESampler(3)
    return Prior(PixelTokenizer(4), network, made, Recipe(chosen), label_dropout=label_dropout).eval()


@pytest.mark.parametrize(("process", "sampler"), [(SUNDAE, SUNDAESampler(6)), (Absorbing, MaskGIT(6)),
                                                   (Absorbing, Ancestral(6))])  # fmt: skip
def test_scales_one_and_zero_are_the_conditional_and_unconditional_draws_exactly(process, sampler):
    made, noise = prior(process, sampler=sampler), Noise.of(0, 5)
    conditional, unconditional = (made.sample_ids(noise, label=label).ids for label in (1, NULL))
    assert not torch.equal(conditional, unconditional)
    one, zero, two = (made.sample_ids(noise, Recipe(sampler, guidance=ConstantGuidance(s)), label=1) for s in (1, 0, 2))
    assert torch.equal(one.ids, conditional) and torch.equal(zero.ids, unconditional)
    assert torch.equal(two.trace.evaluations, 2 * one.trace.evaluations)
    assert not torch.equal(two.ids, conditional)


def guided(*scale, **negative):
    return Recipe(SUNDAESampler(3), guidance=ConstantGuidance(*scale, **negative))


def test_guidance_needs_classes_and_pictures_that_were_seen_without_one():
    with pytest.raises(ValueError, match="label_dropout above 0"):
        prior(label_dropout=0.0).sample(1, guided(2))
    with pytest.raises(ValueError, match="prior with classes"):
        prior(num_classes=0).sample(1, guided(2))
    with pytest.raises(ValueError, match=r"negative must be a class in \[0, 2\]"):
        prior().sample(1, guided(2, negative=3))


def test_rows_that_leave_keep_their_own_class_and_count():
    made = denoiser(TableNetwork(5, 5), None, label=(0, 1, 2))
    part = made.select(torch.tensor([False, True, True]))
    part(torch.zeros(2, 5, dtype=torch.long))
    assert part.label_B.tolist() == [1, 2] and made.evaluations.tolist() == [0, 1, 1]
