"""Losses and metrics of reconstructions."""

import math

import pytest
import torch

from lightgen.losses.perceptual import FeatureDistance
from lightgen.losses.reconstruction import ReconstructionLoss
from lightgen.metrics.codebook import CodebookUsage
from lightgen.modules import WarmupCosine


def test_reconstruction_loss_is_the_weighted_sum():
    a, b = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    output = ReconstructionLoss(l1=2.0, mse=3.0)(a, b)
    expected = 2 * (a - b).abs().mean() + 3 * (a - b).square().mean()
    torch.testing.assert_close(output.loss, expected)
    assert output.metrics.keys() == {"l1", "mse"}


def test_feature_distance():
    distance = FeatureDistance()
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    blurred = torch.nn.functional.avg_pool2d(images, 5, 1, 2)
    assert distance(images, images).abs() < 1e-6
    slightly = distance(images, images + 0.1 * (blurred - images))
    assert 0 < slightly < distance(images, blurred)
    x = blurred.clone().requires_grad_()
    distance(x, images).backward()
    assert x.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in distance.network.parameters())


def test_codebook_usage():
    usage = CodebookUsage(8)
    usage.update(torch.tensor([[0, 0, 1, 1]]))
    usage.update(torch.tensor([[2, 2, 3, 3]]))
    values = usage.compute()
    assert values["usage"] == 0.5 and math.isclose(values["perplexity"], 4.0, rel_tol=1e-6)


def test_warmup_cosine():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = WarmupCosine(optimizer, warmup_steps=4, total_steps=12, final_fraction=0.1)
    rates = []
    for _ in range(16):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:5] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])
    assert rates[8] == pytest.approx(2.0 * (0.1 + 0.9 / 2))
    assert rates[12:] == pytest.approx([0.2] * 4)
    follows = WarmupCosine(optimizer, warmup_steps=4, final_fraction=0.1)
    follows.follow(12)
    for step in range(16):
        assert follows.get_last_lr()[0] == pytest.approx(rates[step])
        follows.step()
    schedule.follow(100)
    assert schedule.total_steps == 12 and "total_steps" not in schedule.state_dict()
    short = WarmupCosine(optimizer, warmup_steps=4)
    short.follow(2)
    assert [short.lr_lambdas[0](step) for step in (0, 4, 9)] == pytest.approx([0.2, 1.0, 0.0])
    with pytest.raises(ValueError, match="above warmup_steps"):
        WarmupCosine(optimizer, 5, 5)
    with pytest.raises(ValueError, match="final_fraction must be in \\[0, 1\\], not 5"):
        WarmupCosine(optimizer, 0, 5, final_fraction=5)
