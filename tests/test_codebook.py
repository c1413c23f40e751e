"""Fixed codebooks against brute force."""

import pytest
import torch
from torch.nn.functional import normalize

from lightgen.quantizers import Codebook, GumbelCodebook


def random(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("unit", [False, True])
def test_codebook_takes_the_nearest_code(unit):
    quantizer = Codebook(20, 3, unit)
    quantizer.codes.copy_(random(20, 3) * torch.linspace(0.2, 3, 20)[:, None])
    latent = random(2, 3, 4, 5, seed=1).requires_grad_()
    points, codes = latent.detach().movedim(1, -1).double(), quantizer.codes.double()
    if unit:
        points, codes = normalize(points, dim=-1), normalize(codes, dim=-1)
    distances = (points[..., None, :] - codes).square().sum(-1)
    quantized = quantizer(latent)
    assert torch.equal(quantized.ids, distances.argmin(-1)) and len(quantized.ids.unique()) > 8
    torch.testing.assert_close(quantized.latent, codes[quantized.ids].movedim(-1, 1).float())
    torch.testing.assert_close(quantizer.lookup(quantized.ids), quantized.latent)
    torch.testing.assert_close(quantized.loss.double(), 0.25 * distances.amin(-1).mean() / 3)
    assert quantizer.eval()(latent).loss == 0
    scaled = normalize(latent, dim=1) if unit else latent
    expected = torch.autograd.grad(scaled.sum(), latent)[0]
    torch.testing.assert_close(torch.autograd.grad(quantized.latent.sum(), latent)[0], expected)


def test_unit_codes_do_not_depend_on_lengths():
    quantizer = Codebook(20, 3, unit=True)
    quantizer.codes.copy_(random(20, 3))
    latent = random(2, 3, 4, 4, seed=1)
    ids = quantizer(latent).ids
    quantizer.codes.mul_(torch.rand(20, 1, generator=torch.Generator().manual_seed(2)) + 0.5)
    assert torch.equal(quantizer(latent * 7).ids, ids)


def test_gumbel_codebook_takes_the_likeliest_code_and_gives_the_gradient_of_the_expected_one():
    torch.manual_seed(0)
    quantizer = GumbelCodebook(7, 3)
    quantizer.codes.copy_(random(7, 3))
    latent = random(2, 3, 4, 5, seed=1).requires_grad_()
    weight, bias = quantizer.projection.weight[:, :, 0, 0], quantizer.projection.bias
    logits = latent.movedim(1, -1) @ weight.T + bias
    quantized = quantizer(latent)
    assert torch.equal(quantized.ids, logits.argmax(-1)) and len(quantized.ids.unique()) > 3
    torch.testing.assert_close(quantized.latent, quantizer.codes[quantized.ids].movedim(-1, 1))
    expected = (logits.softmax(-1) @ quantizer.codes).movedim(-1, 1)
    pull = random(2, 3, 4, 5, seed=2)
    wanted = torch.autograd.grad((expected * pull).sum(), latent, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad((quantized.latent * pull).sum(), latent)[0], wanted)
    assert quantized.loss == 0


@pytest.mark.parametrize("make", [Codebook, GumbelCodebook])
def test_one_code_is_no_book(make):
    with pytest.raises(ValueError, match="vocab_size must be at least 2, not 1"):
        make(1, 4)
