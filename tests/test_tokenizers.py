"""Quantizers and tokenizers."""

import itertools

import pytest
import torch

from lightgen.quantizers import FSQ, VQ
from lightgen.tokenizers import VQGAN, PixelTokenizer

QUANTIZERS = {"FSQ": lambda: FSQ((4, 3, 5)), "VQ": lambda: VQ(16, 8)}


def latent(dim, seed=0, size=(4, 6)):
    return torch.randn(3, dim, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", QUANTIZERS)
def test_quantized_latents_are_those_of_the_ids(name):
    quantizer = QUANTIZERS[name]()
    quantizer(latent(quantizer.dim))
    quantizer.eval()
    quantized = quantizer(latent(quantizer.dim, 1))
    assert quantized.ids.shape == (3, 4, 6)
    assert quantized.ids.min() >= 0 and quantized.ids.max() < quantizer.vocab_size
    torch.testing.assert_close(quantizer.lookup(quantized.ids), quantized.latent)


@pytest.mark.parametrize("name", QUANTIZERS)
def test_gradient_passes_straight_through(name):
    quantizer = QUANTIZERS[name]()
    quantizer(latent(quantizer.dim))
    x = latent(quantizer.dim, 1).requires_grad_()
    quantizer(x).latent.sum().backward()
    assert x.grad is not None and (x.grad > 0).all()
    if name == "VQ":
        torch.testing.assert_close(x.grad, torch.ones_like(x))


def test_fsq_has_a_code_for_every_combination_of_levels():
    quantizer = FSQ((4, 3, 5))
    codes = quantizer.lookup(torch.arange(60).view(1, 6, 10)).flatten(2)[0].T
    assert len(codes.unique(dim=0)) == 60
    values = [sorted(codes[:, i].unique().tolist()) for i in range(3)]
    assert [len(v) for v in values] == [4, 3, 5]
    assert {tuple(c) for c in codes.tolist()} == set(itertools.product(*values))


@torch.no_grad()
def test_vq_takes_the_nearest_code_and_codes_follow_the_latents():
    quantizer = VQ(4, 2, decay=0.5)
    centres = torch.tensor([[-8.0, -8.0], [-8.0, 8.0], [8.0, -8.0], [8.0, 8.0]])
    generator = torch.Generator().manual_seed(0)
    which = torch.randint(4, (2000,), generator=generator)
    points = centres[which] + torch.randn(2000, 2, generator=generator)
    for _ in range(20):
        ids = quantizer(points.T.reshape(1, 2, 40, 50)).ids.flatten()
    codes = quantizer.lookup(torch.arange(4).view(1, 2, 2)).flatten(2)[0].T
    assert torch.equal(ids, torch.cdist(points, codes).argmin(1))
    means = torch.stack([points[ids == code].mean(0) for code in range(4)])
    torch.testing.assert_close(codes, means, rtol=0, atol=0.02)


def test_vq_revives_codes_that_nothing_uses():
    torch.manual_seed(0)
    quantizer = VQ(64, 4, decay=0.8, dead_below=0.5)
    for step in range(30):
        quantizer(latent(4, step, (16, 16)) + (10.0 if step > 5 else 0.0))
    quantizer.eval()
    used = quantizer(latent(4, 99, (16, 16)) + 10.0).ids.unique()
    assert len(used) > 48


def test_vq_trains_alike_whatever_the_global_generator():
    books = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        quantizer = VQ(16, 4)
        for step in range(4):
            quantizer(latent(4, step))
        books.append(quantizer.lookup(torch.arange(16).view(1, 4, 4)))
    assert torch.equal(*books)


@pytest.mark.parametrize(
    ("patch", "multipliers", "grid"), [(1, (1, 2, 2), (4, 6)), (4, (1,), (4, 6)), (2, (1, 1), (4, 6))]
)
def test_vqgan_shapes(patch, multipliers, grid):
    torch.manual_seed(0)
    vqgan = VQGAN(
        FSQ((4, 4)),
        (16, 24),
        width=8,
        multipliers=multipliers,
        num_res_blocks=1,
        attention_resolutions=(8,),
        patch=patch,
    )
    images = torch.rand(2, 3, 16, 24) * 2 - 1
    reconstruction, quantized = vqgan(images)
    assert vqgan.grid == grid and quantized.ids.shape == (2, *grid) and reconstruction.shape == images.shape
    assert torch.equal(vqgan.encode(images), quantized.ids)
    torch.testing.assert_close(vqgan.decode(quantized.ids), reconstruction.clamp(-1, 1))
    (reconstruction - images).square().mean().backward()
    assert [n for n, p in vqgan.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert vqgan.last_layer.out_channels == 3 * patch**2


def test_vqgan_refuses_sizes_that_tokens_do_not_fill():
    with pytest.raises(ValueError, match="divisible by 4"):
        VQGAN(FSQ((4, 4)), (16, 18), width=8, multipliers=(1, 1, 1))


def test_pixel_tokenizer_is_the_identity():
    tokenizer = PixelTokenizer((2, 128))
    ids = torch.arange(256).view(1, 2, 128)
    images = tokenizer.decode(ids)
    assert images.shape == (1, 1, 2, 128) and images.min() == -1 and images.max() == 1
    assert torch.equal(tokenizer.encode(images), ids)


@pytest.mark.parametrize("make", [lambda: FSQ(()), lambda: FSQ((4, 1)), lambda: VQ(1)])
def test_bad_arguments(make):
    with pytest.raises(ValueError, match="at least 2"):
        make()
