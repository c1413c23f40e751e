"""Discriminators, objectives, regularisers, augmentation, and how they are weighed."""

import pytest
import torch
from torch import nn

from lightgen.functional.random import Noise
from lightgen.losses.adversarial import Adversarial
from lightgen.losses.augment import DiffAugment, cut_out, shift_colours, translate
from lightgen.losses.discriminators import Discriminator, PatchGAN, ProjectedDiscriminator
from lightgen.losses.objectives import Hinge, NonSaturating
from lightgen.losses.regularisers import R1, LeCam


class _Linear(Discriminator):
    """A weighted sum of all pixels."""

    min_size = 1

    def __init__(self, seed=0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(seed)))

    def logits(self, images):
        return (images * self.weight).sum((1, 2, 3), keepdim=True)


def images(num=4, size=(8, 8), seed=0):
    return torch.rand(num, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_patchgan_is_that_of_the_paper_with_group_norm():
    torch.manual_seed(0)
    network = PatchGAN(width=64, num_stages=3)
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.stride[0]) for c in convs] == [
        (3, 64, 4, 2), (64, 128, 4, 2), (128, 256, 4, 2), (256, 512, 4, 1), (512, 1, 4, 1),
    ]  # fmt: skip
    for conv in convs:
        assert float(conv.weight.detach().mean()) == pytest.approx(0, abs=2e-3)
        assert float(conv.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
    x = images(2, (64, 64))
    assert network(x).shape == (2, 1, 6, 6)
    torch.testing.assert_close(network(x[:1]), network(x)[:1], msg="a picture's logits depend on its batch")


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_patchgan_knows_the_smallest_picture_it_can_judge(stages):
    network = PatchGAN(width=4, num_stages=stages)
    assert network(images(1, (network.min_size, network.min_size))).shape == (1, 1, 1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        network(images(1, (network.min_size - 1, network.min_size - 1)))


def test_a_patch_has_70_pixels():
    network = PatchGAN(width=4, num_stages=3).double()
    for norm in [m for m in network.modules() if isinstance(m, nn.GroupNorm)]:
        norm.forward = lambda x: x  # the norm looks at the whole picture
    x = images(1, (128, 128)).double().requires_grad_()
    network(x)[0, 0, 6, 6].backward()
    rows = x.grad.abs().sum((0, 1, 3)).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 == 70


def test_projected_discriminator_trains_small_heads_on_frozen_features():
    torch.manual_seed(0)
    network = ProjectedDiscriminator(width=8)
    assert network.min_size == 32
    assert not [name for name in network.state_dict() if not name.startswith("heads.")]
    x = images(2, (32, 32)).requires_grad_()
    logits = network(x)
    assert logits.shape == (2, 5, 16, 16)
    assert torch.equal(logits[0, 4], logits[0, 4, 0, 0].expand(16, 16))
    logits.sum().backward()
    assert x.grad.abs().sum() > 0 and all(p.grad is not None for p in network.parameters())
    assert not any(p.requires_grad or p.grad is not None for p in network.frozen[0].parameters())


def test_grey_pictures_are_repeated():
    network = PatchGAN(width=4, num_stages=1)
    grey = images()[:, :1]
    assert torch.equal(network(grey), network(grey.repeat(1, 3, 1, 1)))


def test_objectives():
    real, fake = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 1.0])
    assert float(Hinge().discriminator(real, fake)) == pytest.approx(0.5 * (0.25 + 1.0))
    assert float(Hinge().generator(fake)) == pytest.approx(1.0)
    log = torch.nn.functional.logsigmoid
    expected = -log(real).mean() - torch.log(1 - torch.sigmoid(fake)).mean()
    torch.testing.assert_close(NonSaturating().discriminator(real, fake), expected)
    torch.testing.assert_close(NonSaturating().generator(fake), -log(fake).mean())


def test_r1_of_a_linear_discriminator_is_its_squared_norm():
    network, x = _Linear(), images().requires_grad_()
    term = R1(weight=3.0)(x, network(x), network(images(seed=1)))
    torch.testing.assert_close(term, 1.5 * network.weight.square().sum())
    term.backward()
    torch.testing.assert_close(network.weight.grad, 3.0 * network.weight.detach())


def test_lecam_pulls_towards_the_moving_averages():
    lecam = LeCam(weight=2.0, decay=0.5)
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-2.0, -4.0])
    lecam(images(), real, fake)
    assert (lecam.average_real, lecam.average_fake) == (1.0, -1.5)
    term = lecam(images(), real, fake)
    assert (lecam.average_real, lecam.average_fake) == (1.5, -2.25)
    expected = 2 * (((real + 1.5) ** 2).mean() + ((fake - 1.0) ** 2).mean())
    torch.testing.assert_close(term, expected)


def test_colours():
    x = images()
    torch.testing.assert_close(shift_colours(x, torch.zeros(4, 3)), x)
    torch.testing.assert_close(shift_colours(x, torch.tensor([[0.25, 0, 0]]).expand(4, 3)), x + 0.25)
    grey = shift_colours(x, torch.tensor([[0, -0.5, 0]]).expand(4, 3))
    torch.testing.assert_close(grey, x.mean(1, keepdim=True).expand(-1, 3, -1, -1))
    flat = shift_colours(x, torch.tensor([[0, 0, -0.5]]).expand(4, 3))
    torch.testing.assert_close(flat.std((1, 2, 3)), x.std((1, 2, 3)) / 2)
    torch.testing.assert_close(flat.mean((1, 2, 3)), x.mean((1, 2, 3)))


def test_translation_moves_whole_pixels_and_pads_with_zeros():
    x = images(3, (8, 12))
    moved = translate(x, torch.tensor([[0.25, 0.0], [0.0, -0.25], [0.0, 0.0]]))
    assert torch.equal(moved[0, :, 2:], x[0, :, :-2]) and not moved[0, :, :2].any()
    assert torch.equal(moved[1, :, :, :-3], x[1, :, :, 3:]) and not moved[1, :, :, -3:].any()
    assert torch.equal(moved[2], x[2])


def test_cutout_is_a_rectangle_around_its_centre():
    ones = torch.ones(2, 3, 8, 12)
    cut = cut_out(ones, torch.tensor([[0.5, 0.5], [0.0, 0.99]]), 0.5)
    assert (cut[0] == 0).sum() == 3 * 4 * 6 and not cut[0, :, 2:6, 3:9].any()
    assert (cut[1] == 0).sum() == 3 * 2 * 4 and not cut[1, :, :2, 8:].any()
    assert torch.equal(cut_out(ones, torch.rand(2, 2), 0.0), ones)


def test_augmentation_is_differentiable_and_a_picture_does_not_notice_its_batch():
    augment, x = DiffAugment(), images(4, (16, 16)).requires_grad_()
    seen = augment(x, Noise.of(0, 4), 1)
    assert seen.shape == x.shape and not torch.equal(seen, x)
    torch.testing.assert_close(augment(x[2:3], Noise.of(0, 1, 2), 1), seen[2:3])
    assert not torch.equal(augment(x, Noise.of(0, 4), 2), seen)
    seen.sum().backward()
    assert all((gradient != 0).any() for gradient in x.grad)
    assert torch.allclose(DiffAugment(0.0, 0.0, 0.0)(x, Noise.of(0, 4), 1), x)


def test_strength_starts_and_rises():
    assert [Adversarial(_Linear(), start=3).strength(i) for i in (0, 2, 3, 4)] == [0, 0, 1, 1]
    ramped = Adversarial(_Linear(), start=2, ramp=4)
    assert [ramped.strength(i) for i in range(8)] == [0, 0, 0, 0.25, 0.5, 0.75, 1, 1]


@pytest.mark.parametrize("limit", [1e4, 0.1])
def test_the_adaptive_weight_is_the_ratio_of_the_gradients_norms(limit):
    torch.manual_seed(0)
    adversarial = Adversarial(_Linear(), weight=0.8, limit=limit)
    decoder = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1))
    target, layer = images(seed=1), decoder[2].weight

    def losses():
        reconstruction = decoder(images())
        nll = 30 * (reconstruction - target).abs().mean()
        return nll, adversarial.generator_loss(reconstruction, Noise.of(0, 4))

    norms = []
    for i in range(2):
        decoder.zero_grad()
        losses()[i].backward()
        norms.append(layer.grad.norm())
    ratio = norms[0] / (norms[1] + 1e-4)
    assert 0 < ratio < 1e4 and (limit > 1 or ratio > limit)
    decoder.zero_grad()
    reconstruction = decoder(images())
    nll = 30 * (reconstruction - target).abs().mean()
    parts = (nll, adversarial.generator_loss(reconstruction, Noise.of(0, 4)))
    gradients = tuple(torch.autograd.grad(loss, reconstruction)[0] for loss in parts)
    found = adversarial.balance(reconstruction, gradients, layer, average=lambda x: x)
    torch.testing.assert_close(found, 0.8 * ratio.clamp(max=limit))
    assert not found.requires_grad and layer.grad is None


def test_each_side_gives_gradients_to_itself_alone():
    adversarial = Adversarial(_Linear(), regularisers=[R1(), LeCam()], augment=DiffAugment())
    reconstruction = images(seed=1).requires_grad_()
    adversarial.generator_loss(reconstruction, Noise.of(0, 4)).backward()
    assert reconstruction.grad.abs().sum() > 0 and adversarial.discriminator.weight.grad is None
    reconstruction.grad = None
    output = adversarial.discriminator_loss(images(), reconstruction, Noise.of(0, 4))
    output.loss.backward()
    assert reconstruction.grad is None and adversarial.discriminator.weight.grad.abs().sum() > 0
    assert output.metrics.keys() == {"discriminator", "real", "fake", "R1", "LeCam"}


def test_a_discriminator_learns_to_tell():
    torch.manual_seed(0)
    adversarial = Adversarial(PatchGAN(width=8, num_stages=1))
    optimizer = torch.optim.Adam(adversarial.parameters(), 1e-3)
    for i in range(60):
        sharp = images(8, (12, 12), seed=i)
        blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
        loss = adversarial.discriminator_loss(sharp, blurred, Noise.of(0, 8)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.2  # 1 at first


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adversarial(_Linear(), weight=-1), "weight must be at least 0, not -1"),
        (lambda: Adversarial(_Linear(), start=-1), "start must be at least 0, not -1"),
        (lambda: PatchGAN(width=0), "at least 1, not 0 and 3"),
        (lambda: R1(-1.0), "weight must be at least 0"),
        (lambda: LeCam(decay=1.0), r"decay must be in \[0, 1\), not 1.0"),
        (lambda: DiffAugment(colour=2), r"colour must be in \[0, 1\], not 2"),
        (lambda: DiffAugment(cutout=1.0), r"must be in \[0, 1\), not 0.125 and 1.0"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
