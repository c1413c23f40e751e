"""The random numbers: uniform, independent, and a pure function of their address."""

import pytest
import torch

from lightgen.functional.random import Noise, Stream


def test_same_address_same_number_in_any_batch():
    whole = Noise.of(7, 64).uniform(3, 1, 50)
    assert torch.equal(Noise.of(7, 1, first=20).uniform(3, 1, 50), whole[20:21])
    assert torch.equal(Noise(7, torch.tensor([20, 3, 63])).uniform(3, 1, 50), whole[[20, 3, 63]])
    assert torch.equal(Noise.of(7, 64).select(torch.arange(64) % 2 == 0).uniform(3, 1, 50), whole[::2])


def test_more_positions_do_not_change_the_first():
    assert torch.equal(Noise.of(0, 3).uniform(0, 0, 100)[:, :10], Noise.of(0, 3).uniform(0, 0, 10))


@pytest.mark.parametrize("seed", [0, -9, 2**63 + 5])
@pytest.mark.parametrize("step", [0, 1, 127, 2**40, -1])
def test_a_step_as_a_tensor_gives_the_numbers_of_the_integer(seed, step):
    noise, tensor = Noise.of(seed, 5), torch.tensor(step)
    for stream in Stream:
        assert torch.equal(noise.uniform(tensor, stream, 20), noise.uniform(step, stream, 20))
    assert torch.equal(noise.integers(tensor, 3, 20, 7), noise.integers(step, 3, 20, 7))
    assert tensor.dtype == torch.int64 and tensor.item() == step


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_seed_step_and_stream_each_matter(other):
    seed, step, stream = other
    a = Noise.of(0, 4).uniform(0, 0, 1000)
    b = Noise.of(seed, 4).uniform(step, stream, 1000)
    assert abs(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) < 4 / 4000**0.5
    assert (a == b).float().mean() < 0.01


def test_vectorised_hash_equals_unsigned_integers():
    """Published pictures depend on these numbers: a change here is a breaking change."""
    mask, golden = (1 << 64) - 1, 0x9E3779B97F4A7C15

    def mix(x):
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & mask
        x = (x ^ x >> 27) * 0x94D049BB133111EB & mask
        return x ^ x >> 31

    def split(x):
        return mix(x + golden & mask)

    def reference(seed, index, step, stream, position):
        row = mix(index + split(split(split(seed) + step) + stream) & mask)
        return ((mix(row + (position + 1) * golden & mask) & (1 << 23) - 1) + 0.5) / 2**23

    ours = Noise(-9, torch.tensor([0, 1, 2**40])).uniform(5, 1, 4).tolist()
    assert ours == [[reference(-9, i, 5, 1, p) for p in range(4)] for i in (0, 1, 2**40)]


def test_uniform_on_the_open_interval():
    u = Noise.of(0, 1000).uniform(0, 0, 1000)
    assert u.min() > 0 and u.max() < 1
    ordered = u.flatten().double().sort().values
    n = len(ordered)
    kolmogorov_smirnov = (ordered - (torch.arange(n) + 0.5) / n).abs().max()
    assert kolmogorov_smirnov < 1.95 / n**0.5  # p = 0.001


def test_neighbours_in_every_direction_are_uncorrelated():
    noise = Noise.of(0, 500)
    u = torch.stack([noise.uniform(step, 0, 500) for step in range(3)]) - 0.5
    for a, b in ((u[:-1], u[1:]), (u[:, :-1], u[:, 1:]), (u[..., :-1], u[..., 1:])):
        correlation = (a * b).mean() * 12
        assert abs(correlation) < 4 / a.numel() ** 0.5


def test_serial_pairs_fill_the_square():
    u = Noise.of(1, 1).uniform(0, 0, 200_001).squeeze(0)
    cell = (u[:-1] * 20).long() * 20 + (u[1:] * 20).long()
    counts = torch.bincount(cell, minlength=400).double()
    chi_square = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
    assert 300 < chi_square < 510  # 400 - 1 degrees of freedom, p about 1e-4 on each side


def test_fold_gives_independent_sources():
    a, b = (Noise.of(0, 10).fold(k).uniform(0, 0, 1000).flatten() for k in (0, 1))
    assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.04


def test_integers_are_uniform():
    counts = torch.bincount(Noise.of(0, 100).integers(0, 0, 1000, 7).flatten(), minlength=8)
    assert counts[7] == 0
    assert (counts[:7] - 1e5 / 7).abs().max() < 5 * (1e5 / 7) ** 0.5
