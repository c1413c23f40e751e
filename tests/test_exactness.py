"""Samplers that are exact with a perfect network, told from the truth by a test that can reject."""

import pytest
import torch

from lightgen.bench.joint import Joint
from lightgen.processes import Absorbing, Causal
from lightgen.samplers import Autoregressive, Halton, RandomOrder
from lightgen.schedules import Power

DRAWS, SETS = 20_000, 300
POSITION = torch.tensor([27, 9, 3, 1])


def p_value(joint, ids_BN):
    """Of the chi-square statistic of the 81 states, by as many sets of exact draws (Monte Carlo, no asymptotics)."""

    def statistic(codes):
        expected = joint.probability * len(codes)
        return ((torch.bincount(codes, minlength=81) - expected).square() / expected).sum()

    found, generator = statistic((ids_BN * POSITION).sum(1)), torch.Generator().manual_seed(0)
    exact = torch.multinomial(joint.probability, SETS * DRAWS, True, generator=generator).view(SETS, DRAWS)
    return (1 + sum(bool(statistic(codes) >= found) for codes in exact)) / (SETS + 1)


@pytest.mark.parametrize(
    ("sampler", "process"),
    [
        (RandomOrder(4, Power()), Absorbing(3)),
        (Halton(4, schedule=Power()), Absorbing(3)),
        (Autoregressive(), Causal(3)),
    ],
)
def test_one_token_at_a_time_is_not_told_from_the_truth_at_one_percent(sampler, process):
    joint = Joint()
    assert p_value(joint, joint.draws(sampler, process, DRAWS)) > 0.01


def test_two_tokens_at_a_time_are():
    joint = Joint()
    assert p_value(joint, joint.draws(RandomOrder(2, Power()), Absorbing(3), DRAWS)) < 0.01
