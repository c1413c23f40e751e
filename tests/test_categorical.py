"""Draws follow the distribution, and warps do what their papers say."""

import pytest
import torch

from lightgen.functional import warping
from lightgen.functional.categorical import draw, draw_scored, log_probability
from lightgen.functional.random import Noise
from lightgen.warps import Warps


def test_frequencies_match_probabilities():
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    ids = draw(logits.expand(200, 1000, 4), Noise.of(0, 200).uniform(0, 0, 1000))
    frequency = torch.bincount(ids.flatten(), minlength=4) / ids.numel()
    sigma = (logits.softmax(0) * (1 - logits.softmax(0)) / ids.numel()).sqrt()
    assert ((frequency - logits.softmax(0)).abs() < 4 * sigma).all()


def test_draw_inverts_the_cumulative_distribution():
    logits = torch.tensor([0.25, 0.25, 0.5]).log().expand(1, 5, 3)
    uniform = torch.tensor([[1e-7, 0.2499, 0.2501, 0.4999, 1 - 2.0**-24]])
    assert draw(logits, uniform).tolist() == [[0, 0, 1, 1, 2]]


def test_impossible_ids_are_never_drawn():
    logits = torch.zeros(50, 200, 6)
    logits[..., [0, 3, 5]] = -torch.inf
    extreme = torch.cat([torch.full((50, 100), 2.0**-24), torch.full((50, 100), 1 - 2.0**-24)], dim=1)
    for uniform in (extreme, Noise.of(0, 50).uniform(0, 0, 200)):
        assert set(draw(logits, uniform).unique().tolist()) <= {1, 2, 4}


def test_scored_draws_are_draws_with_their_log_probabilities():
    logits = 20 * Noise.of(0, 3).uniform(0, 0, 35).view(3, 5, 7) - 10
    logits[..., 2] = -torch.inf
    uniform = Noise.of(1, 3).uniform(0, 0, 5)
    ids, log_prob = draw_scored(logits, uniform)
    assert torch.equal(ids, draw(logits, uniform))
    torch.testing.assert_close(log_prob, log_probability(logits, ids), rtol=1e-5, atol=1e-5)


def test_temperature_zero_is_greedy():
    logits = Noise.of(0, 3).uniform(0, 0, 35).view(3, 5, 7)
    ids = draw(Warps(temperature=0.0)(logits), Noise.of(1, 3).uniform(0, 0, 5))
    assert torch.equal(ids, logits.argmax(-1))


def test_top_k_keeps_k():
    logits = Noise.of(0, 3).uniform(0, 0, 35).view(3, 5, 7)
    kept = warping.top_k(logits, 3).isfinite()
    assert (kept.sum(-1) == 3).all()
    assert (logits.masked_fill(~kept, 2).min(-1).values > logits.masked_fill(kept, -2).max(-1).values).all()
    assert torch.equal(warping.top_k(logits, 7), logits)


def test_top_p_keeps_the_first_crossing():
    logits = torch.tensor([0.1, 0.5, 0.15, 0.25]).log()
    assert warping.top_p(logits, 0.7).isfinite().tolist() == [False, True, False, True]
    assert warping.top_p(logits, 0.4).isfinite().tolist() == [False, True, False, False]
    assert warping.top_p(logits, 1.0).isfinite().all()


def test_ramp_runs_from_start_to_end():
    """Each picture by its own progress."""
    ramp = Warps(temperature=2.0, temperature_end=0.5)
    warped = ramp(torch.ones(3, 1, 2), torch.tensor([0.0, 0.5, 1.0]).double())
    assert warped[:, 0, 0].tolist() == pytest.approx([0.5, 0.8, 2.0], abs=5e-7)


@pytest.mark.parametrize(
    "bad", [{"temperature": -1}, {"temperature_end": -1}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 2}]
)
def test_values_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Warps(**bad)
