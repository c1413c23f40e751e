"""The causal transformer, its training and its sampling: what sees what, the cache, exactness, likelihood."""

import math

import pytest
import torch
from stubs import denoiser, interface

from lightgen.condition import Condition
from lightgen.denoiser import Recomputing
from lightgen.functional.lookup import Lookup
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance, LinearGuidance
from lightgen.networks import CausalTransformer, Hourglass
from lightgen.networks.orders import Given, Halton, Raster
from lightgen.prior import Prior
from lightgen.processes import SUNDAE, Causal
from lightgen.processes.likelihood import estimate, full_sum
from lightgen.recipe import Recipe
from lightgen.samplers import SUNDAE as SUNDAESampler
from lightgen.samplers import Autoregressive
from lightgen.tokenizers import PixelTokenizer

V, GRID = 7, (3, 4)
SMALL = {"dim": 16, "depth": 2, "heads": 2, "dim_head": 8}
ORDERS = {"raster": Raster(), "Halton": Halton(), "backwards": Given(list(range(12))[::-1])}


def network(order="raster", num_codes=1, num_classes=0, adaptive=False):
    torch.manual_seed(0)
    read = interface(V + 1, V, GRID, num_classes, num_codes)
    made = CausalTransformer(read, order=ORDERS[order], adaptive=adaptive, **SMALL).eval()
    for parameter in made.parameters():
        if parameter.ndim > 1:
            # Far from a uniform distribution, so that a wrong look-up shows.
            torch.nn.init.normal_(parameter, std=0.4)
    return made


class Uncached(torch.nn.Module):
    """The causal contract alone: what has no reader is evaluated anew for every token."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.causal_order = inner, inner.causal_order
        self.layout, self.context = inner.layout, inner.context

    def forward(self, ids_BN, time=None, context=None):
        return self.inner(ids_BN, time, context)


def ids_of(batch, num_codes=1):
    return Noise.of(3, batch).integers(0, 0, 12 * num_codes, V)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("num_codes", [1, 2])
def test_logits_depend_on_the_ids_before_and_on_no_others(order, num_codes):
    made, ids = network(order, num_codes), ids_of(1, num_codes)
    logits, places = made(ids), made.causal_order
    for step in range(12 * num_codes):
        other = ids.clone()
        other[:, places[step]] = (ids[:, places[step]] + 1) % V
        changed = (made(other) != logits).any(-1)[0]
        assert not changed[places[: step + 1]].any()
        assert changed[places[step + 1 :]].all()


@pytest.mark.parametrize("order", ORDERS)
def test_a_given_order_visits_every_cell_once(order):
    assert sorted(ORDERS[order].cells(GRID).tolist()) == list(range(12))


def test_an_order_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="every number from 0 to 2 once"):
        Given([0, 0, 1])
    with pytest.raises(ValueError, match="a 3x4 grid"):
        CausalTransformer(interface(V + 1, V, GRID), order=Given([1, 0]), **SMALL)


def sampled(made, batch=3, label=None, guidance=None, known=None, ids=None, seed=0, sampler=Autoregressive):
    noise, process = Noise.of(seed, batch), Causal(V)
    start = process.initial(made.layout.num_tokens if hasattr(made, "layout") else 12, noise)
    if known is not None:
        start = torch.where(known, ids, start)
    return sampler()(denoiser(made, V, GRID, label, guidance=guidance), start, known, noise)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("batch", [1, 5])
def test_the_cache_changes_no_token(order, batch):
    made = network(order)
    assert torch.equal(sampled(made, batch).ids, sampled(Uncached(made), batch).ids)
    known, ids = Noise.of(9, batch).uniform(0, 0, 12) < 0.4, ids_of(batch)
    with_cache, without = (sampled(m, batch, known=known, ids=ids).ids for m in (made, Uncached(made)))
    assert torch.equal(with_cache, without) and torch.equal(with_cache[known], ids[known])
    assert not torch.equal(with_cache, sampled(made, batch).ids)


def test_the_cache_changes_no_token_where_several_codes_stand_at_a_cell():
    made = network("Halton", num_codes=2)
    assert torch.equal(sampled(made).ids, sampled(Uncached(made)).ids)


@pytest.mark.parametrize("guidance", [None, *(ConstantGuidance(s) for s in (0.0, 1.0, 3.0)), LinearGuidance(3.0)])
def test_the_cache_changes_no_token_under_guidance_which_costs_what_it_must(guidance):
    made, label = network(num_classes=2), torch.tensor([0, 1, 1])
    with_cache, without = (sampled(m, label=label, guidance=guidance) for m in (made, Uncached(made)))
    assert torch.equal(with_cache.ids, without.ids)
    one_branch = guidance is None or guidance.scale in (0.0, 1.0)
    assert with_cache.trace.evaluations.tolist() == [12 if one_branch else 24] * 3


class _Stopping(Autoregressive):
    """A picture ends with the first token that is the last code."""

    def step(self, state, denoise, clock):
        ids, _ = super().step(state, denoise, clock)
        return ids, ids[:, denoise.position] == V - 1


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("guidance", [None, ConstantGuidance(2.0), LinearGuidance(3.0)])
def test_a_picture_may_end_before_the_others(guidance, adaptive):
    made, label = network("Halton", num_classes=2, adaptive=adaptive), torch.tensor([0, 1, 1, 0, 1, 0])
    with_cache, without = (sampled(m, 6, label, guidance, sampler=_Stopping) for m in (made, Uncached(made)))
    assert torch.equal(with_cache.ids, without.ids)
    ordered = sampled(made, 6, label, guidance).ids[:, made.causal_order]
    ends = [(row == V - 1).nonzero()[0].item() + 1 if V - 1 in row else 12 for row in ordered]
    assert len(set(ends)) > 2
    for row, whole, end in zip(with_cache.ids[:, made.causal_order], ordered, ends, strict=True):
        assert torch.equal(row[:end], whole[:end]) and (row[end:] == V).all()
    evaluations = torch.tensor(ends) * (1 if guidance is None else 2)
    assert torch.equal(with_cache.trace.evaluations, evaluations)
    assert torch.equal(without.trace.evaluations, evaluations)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("rows", [torch.tensor([True, False, True, True, False]), torch.tensor([3, 0])])
@torch.no_grad()
def test_a_reader_of_some_rows_goes_on_as_one_of_those_rows_alone(rows, adaptive):
    made, ids = network("Halton", 2, num_classes=2, adaptive=adaptive), ids_of(5, 2)
    asked = Condition({"label": torch.tensor([0, 1, 2, 1, 0])})
    whole, alone = made.context(asked, 5), made.context(asked.select(rows), len(ids[rows]))
    readers = [
        (made.reader(5, whole), made.reader(len(ids[rows]), alone)),
        (Recomputing(made, whole, Lookup(made.causal_order)), Recomputing(made, alone, Lookup(made.causal_order))),
    ]
    for every, few in readers:
        for step in range(24):
            if step == 7:
                some = every.select(rows)
            found, expected = every(ids, step), few(ids[rows], step)
            torch.testing.assert_close(found[rows], expected)
            if step >= 7:
                # Neither of the two that were one notices what the other reads.
                torch.testing.assert_close(some(ids[rows], step), expected)


def test_scales_one_and_zero_are_the_conditional_and_unconditional_draws():
    made, label = network(num_classes=2), torch.tensor([0, 1, 1])
    null = torch.full_like(label, 2)
    assert torch.equal(sampled(made, label=label, guidance=ConstantGuidance(1.0)).ids, sampled(made, label=label).ids)
    assert torch.equal(sampled(made, label=label, guidance=ConstantGuidance(0.0)).ids, sampled(made, label=null).ids)
    assert not torch.equal(sampled(made, label=label).ids, sampled(made, label=null).ids)


def test_pictures_do_not_depend_on_the_batch():
    made = network()
    whole = sampled(made, 4).ids
    for i in range(4):
        noise = Noise(0, torch.tensor([i]))
        alone = Autoregressive()(denoiser(made, V, GRID), Causal(V).initial(12, noise), None, noise).ids
        assert torch.equal(alone[0], whole[i])
    assert whole.min() >= 0 and whole.max() < V


def test_an_oracle_is_found_and_every_token_costs_one_evaluation():
    answer = ids_of(4)

    def oracle(ids_BN, time=None, context=None):
        return torch.nn.functional.one_hot(answer, V) * 60.0

    out = sampled(oracle, 4)
    assert torch.equal(out.ids, answer) and out.trace.evaluations.tolist() == [12] * 4


@pytest.mark.parametrize("num_codes", [1, 2])
def test_the_loss_of_a_uniform_network_is_ln_v_and_its_likelihood_exact(num_codes):
    made, ids = network("Halton", num_codes), ids_of(5, num_codes)
    torch.nn.init.zeros_(made.to_logits[1].weight)
    torch.nn.init.zeros_(made.to_logits[1].bias)
    assert Causal(V).loss({"denoiser": made}, ids, Noise.of(0, 5)).loss.item() == pytest.approx(math.log(V), rel=1e-6)
    nats = torch.full((5,), 12 * num_codes * math.log(V))
    torch.testing.assert_close(estimate(Causal(V), made, ids, Noise.of(0, 5)), nats)


def test_the_likelihood_is_a_distribution():
    """The probabilities of all 7^2 pictures of two tokens add up to one."""
    torch.manual_seed(0)
    made = CausalTransformer(interface(V + 1, V, (1, 2)), **SMALL).eval()
    pictures = torch.cartesian_prod(torch.arange(V), torch.arange(V))
    nats = full_sum(Causal(V), made, pictures, Noise.of(0, len(pictures)))
    assert nats.neg().exp().sum().item() == pytest.approx(1, abs=1e-5)


def test_input_noise_is_for_training_alone_and_targets_stay_clean():
    seen, process, ids = [], Causal(V, keep_probability=0.5), ids_of(200)

    def note(ids_BN, time=None):
        seen.append(ids_BN)
        return torch.nn.functional.one_hot(ids, V) * 60.0

    assert process.train().loss({"denoiser": note}, ids, Noise.of(0, 200)).loss < 1e-6
    changed = (seen[0] != ids).float().mean()
    assert abs(changed - 0.5 * (1 - 1 / V)) < 0.04
    process.eval().loss({"denoiser": note}, ids, Noise.of(0, 200))
    assert torch.equal(seen[1], ids)


def test_a_causal_process_needs_a_causal_network_and_the_other_way_round():
    sizes = interface(257, 256, (4, 4))
    both_ways = Hourglass(sizes, dim=8, depth=(1, 1, 1), heads=1, dim_head=8)
    one_way = CausalTransformer(sizes, **SMALL)
    with pytest.raises(ValueError, match="causal"):
        Prior(PixelTokenizer(4), both_ways, Causal(256), Recipe(Autoregressive()))
    with pytest.raises(ValueError, match="sees only what comes before"):
        Prior(PixelTokenizer(4), one_way, SUNDAE(256), Recipe(SUNDAESampler(2)))
    prior = Prior(PixelTokenizer(4), one_way, Causal(256), Recipe(Autoregressive()))
    assert prior.sample(2).shape == (2, 1, 4, 4)
    # Twice as high: the window slides, and nothing is remembered.
    assert prior.sample(1, canvas=(2.0, 1.0)).shape == (1, 1, 8, 4)


def test_a_causal_network_on_a_canvas_of_one_window_draws_the_same_picture():
    network = CausalTransformer(interface(257, 256, (4, 4)), **SMALL)
    prior = Prior(PixelTokenizer(4), network, Causal(256), Recipe(Autoregressive()))
    assert torch.equal(prior.sample(2, canvas=(1.0, 1.0)), prior.sample(2))
