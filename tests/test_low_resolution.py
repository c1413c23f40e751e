"""The ids of a coarser picture as a condition: where they are told, when they are hidden, and that they are of use."""

import itertools

import pytest
import torch
from stubs import far_from_neutral

from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, LowResolution, Mixed
from lightgen.conditioners.low_resolution import levels
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.layout import Layout
from lightgen.modules.prior import Conditioned
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.networks.base import Interface
from lightgen.prior import Prior
from lightgen.processes import Absorbing
from lightgen.processes import MaskGIT as MaskGITProcess
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.samplers import MaskGIT
from lightgen.tokenizers import PixelTokenizer

V, GRID, COARSE = 7, (4, 6), Layout((2, 3), 5)
SMALL = {"dim": 16, "heads": 2, "dim_head": 8}
NETWORKS = {
    "flat": (Transformer, {"depth": 2}), "hourglass": (Hourglass, {"depth": (1, 1, 1)}),
    "causal": (CausalTransformer, {"depth": 2}),
}  # fmt: skip


def network(kind, conditioner, **more):
    cls, sizes = NETWORKS[kind]
    return far_from_neutral(cls, Layout(GRID, V), conditioner, **sizes, **SMALL, **more)


def random_ids(num, length, vocab_size, seed=1):
    return Noise.of(seed, num).integers(0, 0, length, vocab_size)


@torch.no_grad()
@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_coarser_ids_tell_and_hidden_ones_are_exactly_absent(kind, adaptive, mixed):
    level = LowResolution(COARSE, "of")
    made = network(kind, Mixed([ClassLabel(3), level]) if mixed else level, adaptive=adaptive)
    ids, coarse, label = random_ids(2, 24, V), random_ids(2, 6, 5, 2), torch.tensor([0, 2])
    other = {"label": label} if mixed else {}

    def logits(condition):
        return made(ids, None, made.context(condition, 2))

    told, absent = logits(Condition({"coarse": coarse, **other})), logits(Condition(other))
    assert not torch.allclose(told, absent, atol=1e-3)
    assert not torch.allclose(told, logits(Condition({"coarse": coarse.flip(0), **other})), atol=1e-3)
    for rows in ([True, True], [True, False]):
        hidden = Condition({"coarse": coarse, **other}).hide("coarse", rows=torch.tensor(rows))
        expected = torch.where(torch.tensor(rows)[:, None, None], absent, told)
        assert torch.equal(logits(hidden), expected)


@pytest.mark.parametrize(
    ("fine", "coarse", "num_codes"), [((4, 6), (2, 3), 1), ((6, 4), (2, 4), 2), ((3, 3), (3, 3), 1)]
)
def test_each_cell_is_told_the_coarse_cell_that_it_lies_in(fine, coarse, num_codes):
    level = LowResolution(Layout(coarse, 5, num_codes), "of")
    level.place(Layout(fine, V))
    level.attach(8)
    ids = random_ids(3, coarse[0] * coarse[1] * num_codes, 5)
    cells = level(Condition({"coarse": ids}), 3).cells.unflatten(1, fine)
    height, width = fine[0] // coarse[0], fine[1] // coarse[1]
    for b, r, c in itertools.product(range(3), range(fine[0]), range(fine[1])):
        above = (r // height) * coarse[1] + c // width
        expected = level.inside.weight[(r % height) * width + c % width].clone()
        for code in range(num_codes):
            expected += level.embedding.weight[code * 5 + ids[b, above * num_codes + code]]
        torch.testing.assert_close(cells[b, r, c], expected)


@torch.no_grad()
def test_a_reader_with_a_cache_sees_them_as_the_network_does():
    made, ids = network("causal", LowResolution(COARSE, "of")), random_ids(2, 24, V)
    context = made.context(Condition({"coarse": random_ids(2, 6, 5)}), 2)
    reader, whole = made.reader(2, context), made(ids, None, context)
    for step, position in enumerate(made.causal_order.tolist()):
        torch.testing.assert_close(reader(ids, step), whole[:, position], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("fine", "message"),
    [
        (Layout((4, 5), V), "coarser ids stand on 2x3 cells, of which a grid of 4x5 cells is no whole multiple"),
        (Layout((1, 3), V), "coarser ids stand on 2x3 cells, of which a grid of 1x3 cells is no whole multiple"),
        (Layout((24,), V), "coarser ids stand on 2x3 cells, of which a sequence of 24 is no whole multiple"),
    ],
)
def test_a_network_on_a_grid_that_does_not_fit_is_not_made(fine, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Transformer(Interface(fine, V + 1, conditioner=Mixed([LowResolution(COARSE, "of")])), depth=1, **SMALL)


def test_what_makes_no_sense_is_one_line():
    with pytest.raises(ValueError, match=r"layout and tokenizer must be those of the coarser ids; .* --data\.coarse"):
        LowResolution()
    with pytest.raises(ValueError, match="coarser ids must stand on a grid, not in a sequence of 32"):
        LowResolution(Layout((32,), 5), "of")
    level = LowResolution(COARSE, "of")
    for ids, message in (
        (torch.zeros(2, 5).long(), r"coarse must be \(B, 6\) int64, not \(2, 5\) torch.int64"),
        (torch.zeros(2, 6), r"coarse must be \(B, 6\) int64, not \(2, 6\) torch.float32"),
        (torch.full((2, 6), 5), r"coarse must be in \[0, 4\], not in \[5, 5\]"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            level.require(Condition({"coarse": ids}))
    level.require_ids(COARSE, "of")
    with pytest.raises(ValueError, match=r"the data have none; --data.coarse names a token cache"):
        level.require_ids(None, None)
    with pytest.raises(ValueError, match=r"are of another tokenizer than those that the prior reads$"):
        level.require_ids(COARSE, "other")
    with pytest.raises(ValueError, match=r": those are on 2x2 cells of 9 codes, these on 2x3 cells of 5 codes$"):
        level.require_ids(Layout((2, 2), 9), "other")


def prior_of(level, layout=(4, 4)):
    """A prior on pixels, which are told the ids of a coarser picture."""
    torch.manual_seed(0)
    tokenizer, process = PixelTokenizer(layout), Absorbing(256)
    made = Transformer(process.interface(tokenizer.layout, level), depth=1, **SMALL)
    return Prior(tokenizer, made, process, Recipe(MaskGIT(steps=3))).eval()


def test_the_condition_of_a_prior():
    prior, noise = prior_of(LowResolution(Layout((2, 2), 5), "of")), Noise.of(0, 5)
    told = Condition({"coarse": random_ids(5, 4, 5)})
    guided = prior.recipe.replace(guidance=ConstantGuidance(2.0))
    for recipe in (None, guided):
        whole = prior.sample_ids(noise, recipe, told).ids
        some = torch.tensor([3, 1])
        assert torch.equal(prior.sample_ids(noise.select(some), recipe, told.select(some)).ids, whole[some])
    assert prior.sample_ids(noise).ids.shape == (5, 16)
    again = build(describe(prior.network.conditioner), "conditioner")
    assert (again.layout, again.tokenizer, again.dropout) == (Layout((2, 2), 5), "of", 0.1)
    assert [level.tokenizer for level in levels(Mixed([ClassLabel(2), Mixed([again])]))] == ["of"]
    assert levels(None) == levels(ClassLabel(2)) == []
    with pytest.raises(ValueError, match=r"knows no picture without the ids of a coarser one; .* --then THIS"):
        prior_of(LowResolution(Layout((2, 2), 5), "of", dropout=0.0)).sample_ids(noise)


def test_what_depends_on_the_coarser_ids_is_learned_and_shuffled_ones_are_no_better_than_chance():
    """Each fine id is a function of its coarse id and the place inside of it; marginally it is uniform over 4."""
    torch.manual_seed(0)
    level, process = LowResolution(Layout((2, 2), 4), "of", dropout=0.2), MaskGITProcess(4, label_smoothing=0.0)
    made = Transformer(process.interface(Layout((4, 4), 4), level), depth=1, **SMALL)
    optimizer = torch.optim.Adam(made.parameters(), 1e-2)

    def batch(step, num=64):
        coarse = random_ids(num, 4, 4, step)
        return coarse, (coarse[:, level.cells] + level.places) % 4

    for step in range(120):
        coarse, ids = batch(step)
        noise = Noise.of(step, len(ids))
        told = level.hide(Condition({"coarse": coarse}), noise)
        optimizer.zero_grad()
        process.loss({"denoiser": Conditioned(made, told)}, ids, noise).loss.backward()
        optimizer.step()
    coarse, ids = batch(1000, 256)
    blank = torch.full_like(ids, 4)

    @torch.no_grad()
    def accuracy(told):
        return float((made(blank, None, made.context(told, len(ids))).argmax(-1) == ids).float().mean())

    assert accuracy(Condition({"coarse": coarse})) > 0.99
    assert accuracy(Condition({"coarse": coarse.roll(1, 0)})) == pytest.approx(0.25, abs=0.04)
    assert accuracy(Condition()) == pytest.approx(0.25, abs=0.04)
