"""The algebra of the diffusions against brute force, and the samplers that stand on it against the truth."""

import pytest
import torch

from lightgen.functional.diffusion import posterior
from lightgen.functional.random import Noise
from lightgen.processes import Absorbing, MaskReplace, Uniform
from lightgen.processes.likelihood import estimate

V = 3
EVEN = torch.full((V,), 1 / V, dtype=torch.float64)
PROCESSES = {"absorbing": Absorbing, "uniform": Uniform, "mask and replace": MaskReplace}


def matrix(level):
    """q(z_t | z_0) as a matrix (V, V + 1), from its definition."""
    kept, masked = level.kept.item(), level.masked.item()
    out = torch.full((V, V + 1), (1 - kept - masked) / V, dtype=torch.float64)
    out[:, V] = masked
    return out + torch.cat([torch.eye(V, dtype=torch.float64) * kept, torch.zeros(V, 1)], 1)


def transition(earlier, later):
    """q(z_t | z_s) as a matrix (V + 1, V + 1), from the shares of one longer step."""
    keep = later.kept.item() / earlier.kept.item()
    mask = 1 - (1 - later.masked.item()) / (1 - earlier.masked.item())
    out = torch.full((V + 1, V + 1), (1 - keep - mask) / V, dtype=torch.float64)
    out[:, V] = mask
    out[range(V), range(V)] += keep
    out[V] = torch.tensor([0.0] * V + [1.0])
    return out


def at(process, time):
    return process.level(torch.tensor([time], dtype=torch.float64))


PAIRS = [(0.0, 0.3), (0.1, 0.2), (0.2, 0.9), (0.5, 1.0), (0.0, 1.0)]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_chapman_kolmogorov(name, pair):
    s, t = (at(PROCESSES[name](V), time) for time in pair)
    torch.testing.assert_close(matrix(s) @ transition(s, t), matrix(t), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_posterior_is_bayes_rule(name, pair):
    """For every clean token, and for a mixture of them, against the matrices."""
    s, t = (at(PROCESSES[name](V), time) for time in pair)
    mixture = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    for noisy in range(V + 1):
        if not (matrix(t)[:, noisy] > 0).all() and name != "absorbing":
            continue
        rows = []
        for clean in range(V):
            joint = matrix(s)[clean] * transition(s, t)[:, noisy]
            if joint.sum() > 0:
                rows.append((mixture[clean], joint / joint.sum(), clean))
        for _, expected, clean in rows:
            one = torch.nn.functional.one_hot(torch.tensor([[clean]]), V).double()
            found = posterior(one, torch.tensor([[noisy]]), s, t, EVEN)[0, 0]
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
        if len(rows) == V:
            expected = sum(weight * row for weight, row, _ in rows)
            found = posterior(mixture.view(1, 1, V), torch.tensor([[noisy]]), s, t, EVEN)[0, 0]
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("pair", PAIRS)
def test_marginals_agree(name, pair):
    """The sum over z_t of q(z_t | z_0) q(z_s | z_t, z_0) is q(z_s | z_0)."""
    s, t = (at(PROCESSES[name](V), time) for time in pair)
    for clean in range(V):
        one = torch.nn.functional.one_hot(torch.full((1, V + 1), clean), V).double()
        found = matrix(t)[clean] @ posterior(one, torch.arange(V + 1)[None], s, t, EVEN)[0].nan_to_num()
        torch.testing.assert_close(found, matrix(s)[clean], rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("time", [0.0, 0.3, 1.0])
def test_corruption_has_the_level(name, time):
    process, num = PROCESSES[name](V), 40_000
    clean = torch.ones(num // 100, 100, dtype=torch.long)
    noisy = process.corrupt(clean, torch.full((len(clean),), time), Noise.of(0, len(clean)))
    found = torch.bincount(noisy.flatten(), minlength=V + 1) / num
    expected = matrix(at(process, time))[1]
    assert ((found - expected).abs() <= 4 * (expected * (1 - expected) / num).sqrt() + 1e-9).all()


class Independent(torch.nn.Module):
    """The exact p(z_0 | z_t) where the clean tokens are independent draws of three ids."""

    frequency = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)

    def __init__(self, process):
        super().__init__()
        self.process = process

    def forward(self, ids_BN, time_B=None, label=None):
        level = self.process.level(time_B.double())
        kept, replaced = level.kept[:, None, None], level.replaced[:, None, None] / V
        likelihood = torch.nn.functional.one_hot(ids_BN.clamp_max(V - 1), V) * kept + replaced
        likelihood = torch.where((ids_BN == V).unsqueeze(-1), torch.ones_like(likelihood), likelihood)
        return (self.frequency * likelihood).log()


def clean_tokens(rows, num):
    generator = torch.Generator().manual_seed(0)
    return torch.multinomial(Independent.frequency.float(), rows * num, True, generator=generator).view(rows, num)


@pytest.mark.parametrize("name", PROCESSES)
def test_the_bound_of_a_perfect_network_on_independent_tokens_is_their_entropy(name):
    """The chain is exact then, at any number of steps, so that the sum over all of them is tight."""
    process, clean, num_steps = PROCESSES[name](V), clean_tokens(400, 100), 8
    network, noise, total = Independent(process), Noise.of(0, 400), 0.0
    for number in range(1, num_steps + 1):
        time, earlier = (torch.full((400,), x / num_steps, dtype=torch.float64) for x in (number, number - 1))
        noisy = process.corrupt(clean, time, noise.fold(number))
        total += process.divergence(network(noisy, time), clean, noisy, earlier, time).mean()
    entropy = -torch.xlogy(Independent.frequency, Independent.frequency).sum()
    assert abs(total - entropy) < 0.015


@pytest.mark.parametrize("name", PROCESSES)
def test_one_random_term_estimates_the_bound(name):
    process, clean = PROCESSES[name](V), clean_tokens(20_000, 4)
    nats = estimate(process, Independent(process), clean, Noise.of(0, 20_000)) / 4
    entropy = -torch.xlogy(Independent.frequency, Independent.frequency).sum()
    assert abs(nats.mean() - entropy) < 4 * nats.std() / 20_000**0.5
