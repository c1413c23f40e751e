"""Tokenizers."""

import pytest
import torch
from torch import nn

from lightgen.quantizers import FSQ, ResidualVQ
from lightgen.tokenizers import VQGAN, PixelTokenizer


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
    assert vqgan.layout.grid == grid and quantized.ids.shape == (2, *grid) and reconstruction.shape == images.shape
    assert torch.equal(vqgan.encode(images), quantized.ids)
    torch.testing.assert_close(vqgan.decode(quantized.ids), reconstruction.clamp(-1, 1))
    (reconstruction - images).square().mean().backward()
    assert [n for n, p in vqgan.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert vqgan.last_layer.out_channels == 3 * patch**2


def test_vqgan_refuses_sizes_that_tokens_do_not_fill():
    with pytest.raises(ValueError, match="divisible by 4"):
        VQGAN(FSQ((4, 4)), (16, 18), width=8, multipliers=(1, 1, 1))


def test_vqgan_has_the_published_groups_unless_they_would_be_small():
    def groups(width, **arguments):
        vqgan = VQGAN(FSQ((4, 4)), 16, width=width, multipliers=(1, 2), attention_resolutions=(8,), **arguments)
        return {(m.num_channels, m.num_groups) for m in vqgan.modules() if isinstance(m, nn.GroupNorm)}

    assert groups(16) == {(16, 16), (32, 32)}
    assert groups(16, group_size=4) == {(16, 4), (32, 8)}
    assert groups(128) == groups(128, group_size=4) == {(128, 32), (256, 32)}
    with pytest.raises(ValueError, match="group_size must be at least 1, not 0"):
        groups(16, group_size=0)


def test_vqgan_with_several_codes_at_a_position():
    torch.manual_seed(0)
    vqgan = VQGAN(ResidualVQ(16, 3, 8), (16, 24), width=8, multipliers=(1,), attention_resolutions=(), patch=4)
    images = torch.rand(2, 3, 16, 24) * 2 - 1
    vqgan(images)
    vqgan.eval()
    reconstruction, quantized = vqgan(images)
    assert vqgan.layout.num_codes == 3 and vqgan.layout.grid == (4, 6) and quantized.ids.shape == (2, 3, 4, 6)
    assert torch.equal(vqgan.encode(images), quantized.ids)
    torch.testing.assert_close(vqgan.decode(quantized.ids), reconstruction.clamp(-1, 1))


def test_pixel_tokenizer_is_the_identity():
    tokenizer = PixelTokenizer((2, 128))
    ids = torch.arange(256).view(1, 2, 128)
    images = tokenizer.decode(ids)
    assert images.shape == (1, 1, 2, 128) and images.min() == -1 and images.max() == 1
    assert torch.equal(tokenizer.encode(images), ids)
