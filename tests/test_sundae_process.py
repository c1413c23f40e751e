"""The SUNDAE process against its definition."""

import math

import pytest
import torch
from stubs import TableNetwork
from torch.nn.functional import cross_entropy

from lightgen.functional.random import Noise
from lightgen.processes.sundae import SUNDAE


def test_corruption_rates():
    """Half of the tokens are redrawn on average, and (1 - 1/V) / 2 of them change."""
    process, clean = SUNDAE(vocab_size=4), torch.zeros(4000, 64, dtype=torch.long)
    noise = Noise.of(0, 4000)
    time = noise.uniform(0, 4, 1).squeeze(1)
    changed = (process.corrupt(clean, time, noise) != clean).float().mean(1)
    expected = time * (1 - 1 / 4)
    assert abs(float(changed.mean()) - (1 - 1 / 4) / 2) < 4 * float(changed.std()) / 4000**0.5
    sigma = (expected * (1 - expected) / 64).sqrt()
    assert ((changed - expected).abs() > 5 * sigma + 1e-6).float().mean() < 0.001


def test_corruption_extremes():
    process, clean, noise = SUNDAE(vocab_size=8), torch.full((100, 50), 3), Noise.of(0, 100)
    assert torch.equal(process.corrupt(clean, torch.zeros(100), noise), clean)
    noisy = process.corrupt(clean, torch.ones(100), noise)
    counts = torch.bincount(noisy.flatten(), minlength=8)
    assert ((counts - 625).abs() < 5 * 25).all()


@pytest.mark.parametrize("num_unrolls", [1, 2, 3])
def test_uniform_network_has_loss_ln_v(num_unrolls):
    network = TableNetwork(5, 5)
    torch.nn.init.zeros_(network.table)
    loss = SUNDAE(5, num_unrolls).loss({"denoiser": network}, torch.randint(5, (4, 9)), Noise.of(0, 4)).loss
    assert math.isclose(loss.item(), math.log(5), rel_tol=1e-6)


def test_one_unroll_is_plain_denoising():
    network, clean, noise = TableNetwork(5, 5), torch.randint(5, (4, 9)), Noise.of(0, 4)
    loss = SUNDAE(5, 1).loss({"denoiser": network}, clean, noise).loss
    expected = cross_entropy(network.table[network.calls[0]].flatten(0, 1), clean.flatten())
    torch.testing.assert_close(loss, expected)


def test_unrolls_start_from_draws_of_the_prediction_and_average():
    network, clean, noise = TableNetwork(5, 5), torch.randint(5, (400, 9)), Noise.of(0, 400)
    loss = SUNDAE(5, 3).loss({"denoiser": network}, clean, noise).loss
    terms = [cross_entropy(network.table[x].flatten(0, 1), clean.flatten()) for x in network.calls]
    torch.testing.assert_close(loss, torch.stack(terms).mean())
    first, second = network.calls[:2]
    for given in range(5):
        drawn = torch.bincount(second[first == given], minlength=5)
        expected = network.table[given].softmax(0).detach()
        n = drawn.sum()
        assert ((drawn / n - expected).abs() < 5 * (expected * (1 - expected) / n).sqrt() + 1e-6).all()


def test_gradient_is_that_of_the_average_and_crosses_no_draw():
    network, clean, noise = TableNetwork(5, 5), torch.randint(5, (40, 9)), Noise.of(0, 40)
    SUNDAE(5, 3).loss({"denoiser": network}, clean, noise).loss.backward()
    calls = network.calls
    expected = torch.stack([cross_entropy(network.table[x].flatten(0, 1), clean.flatten()) for x in calls]).mean()
    torch.testing.assert_close(network.table.grad, torch.autograd.grad(expected, network.table)[0])


def test_one_graph_at_a_time_is_alive():
    """The tensors saved for backward do not grow with the number of unrolls."""
    alive, peak = set(), 0

    def pack(tensor):
        nonlocal peak
        key = object()
        alive.add(id(key))
        peak = max(peak, len(alive))
        return _Saved(tensor, key, alive)

    peaks = []
    for num_unrolls in (1, 3):
        alive.clear()
        peak = 0
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
            SUNDAE(5, num_unrolls).loss(
                {"denoiser": TableNetwork(5, 5)}, torch.randint(5, (4, 9)), Noise.of(0, 4)
            ).loss.backward()
        peaks.append(peak)
    assert peaks[0] == peaks[1] > 0


class _Saved:
    def __init__(self, tensor, key, alive):
        self.tensor, self.key, self.alive = tensor, key, alive

    def __del__(self):
        self.alive.discard(id(self.key))


def test_no_gradient_needed_no_graph():
    with torch.no_grad():
        output = SUNDAE(5).loss({"denoiser": TableNetwork(5, 5)}, torch.randint(5, (4, 9)), Noise.of(0, 4))
    assert not output.loss.requires_grad
    assert 0 <= output.metrics["accuracy"] <= 1


@pytest.mark.parametrize("arguments", [{"vocab_size": 1}, {"vocab_size": 4, "num_unrolls": 0}])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be at least"):
        SUNDAE(**arguments)
