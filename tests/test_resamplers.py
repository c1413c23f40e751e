"""The resamplers of the hourglass against convolutions, shifts and the block map."""

from functools import partial

import pytest
import torch
from torch import nn

from lightgen.networks.resamplers import AttentionResampler, LinearResampler, NaiveResampler
from lightgen.networks.resamplers.blocks import coarse_grid, group, ungroup

H, W, D = 6, 8, 16
RESAMPLERS = [NaiveResampler, LinearResampler, AttentionResampler, partial(AttentionResampler, heads=3, full=True)]
FACTORS = [(2, 2), (3, 2), (1, 4), (2, 1)]


def tokens(grid=(H, W), seed=0):
    return torch.randn(2, grid[0] * grid[1], D, generator=torch.Generator().manual_seed(seed))


def as_map(tokens_BND, grid):
    return tokens_BND.unflatten(1, grid)


@pytest.mark.parametrize(("factor", "axes"), [*((f, 2) for f in FACTORS), ((2, 2), 1), ((1, 4), 1)])
def test_group_lists_the_members_of_each_block_in_raster_order(factor, axes):
    a, b = factor if axes == 2 else (1, factor[0] * factor[1])
    index = torch.arange(H * W).view(1, H * W, 1)
    grouped = group(index, (H, W), factor, axes).squeeze(0).squeeze(-1)
    h, w = coarse_grid((H, W), factor, axes)
    for i in range(h):
        for j in range(w):
            members = [(i * a + r) * W + j * b + c for r in range(a) for c in range(b)]
            assert grouped[i * w + j].tolist() == members
    assert torch.equal(ungroup(group(index, (H, W), factor, axes), (H, W), factor, axes), index)


@pytest.mark.parametrize("kind", RESAMPLERS)
@pytest.mark.parametrize("factor", FACTORS)
def test_a_shift_by_one_block_shifts_the_coarse_grid_by_one_cell(kind, factor):
    torch.manual_seed(0)
    (a, b), coarse = factor, (H // factor[0], W // factor[1])
    down, up = kind(axes=2).down(D, factor), kind(axes=2).up(D, factor)
    fine = as_map(tokens(), (H, W))
    shifted = fine.roll((a, b), (1, 2))
    before = as_map(down(fine.flatten(1, 2), (H, W)), coarse)
    after = as_map(down(shifted.flatten(1, 2), (H, W)), coarse)
    torch.testing.assert_close(after, before.roll((1, 1), (1, 2)))
    cells, residual = as_map(tokens(coarse, 1), coarse), as_map(tokens((H, W), 2), (H, W))
    before = as_map(up(cells.flatten(1, 2), residual.flatten(1, 2), (H, W)), (H, W))
    moved = up(cells.roll((1, 1), (1, 2)).flatten(1, 2), residual.roll((a, b), (1, 2)).flatten(1, 2), (H, W))
    torch.testing.assert_close(as_map(moved, (H, W)), before.roll((a, b), (1, 2)))


@pytest.mark.parametrize("kind", RESAMPLERS)
@pytest.mark.parametrize("axes", [1, 2])
def test_a_coarse_cell_sees_its_own_block_and_nothing_else(kind, axes):
    """By gradients: which fine tokens a cell depends on, and which cell a fine token depends on."""
    torch.manual_seed(0)
    resampler, factor = kind(axes=axes), (2, 2)
    members = group(torch.arange(H * W).view(1, -1, 1), (H, W), factor, axes)[0, :, :, 0]
    fine = tokens().requires_grad_()
    coarse = resampler.down(D, factor)(fine, (H, W))
    for cell in (0, 5, 11):
        (gradient,) = torch.autograd.grad(coarse[0, cell].square().sum(), fine, retain_graph=True)
        assert gradient[0].abs().sum(-1).nonzero().flatten().tolist() == sorted(members[cell].tolist())
    cells = tokens((1, H * W // 4), 1).requires_grad_()
    out = resampler.up(D, factor)(cells, tokens(), (H, W))
    for cell in (0, 5, 11):
        for position in members[cell].tolist():
            (gradient,) = torch.autograd.grad(out[0, position].square().sum(), cells, retain_graph=True)
            assert gradient[0].abs().sum(-1).nonzero().flatten().tolist() == [cell]


@pytest.mark.parametrize("factor", FACTORS)
def test_linear_pair_in_2d_is_a_strided_convolution_and_its_transpose(factor):
    torch.manual_seed(0)
    a, b = factor
    down, up = LinearResampler(2).down(D, factor), LinearResampler(2).up(D, factor)
    conv = nn.Conv2d(D, D, factor, stride=factor)
    conv.weight.data = down.linear.weight.data.view(D, a, b, D).permute(0, 3, 1, 2).contiguous()
    conv.bias.data = down.linear.bias.data
    fine = tokens()
    image = as_map(fine, (H, W)).permute(0, 3, 1, 2)
    expected = conv(image).flatten(2).transpose(1, 2)
    torch.testing.assert_close(down(fine, (H, W)), expected)
    transpose = nn.ConvTranspose2d(D, D, factor, stride=factor, bias=False)
    transpose.weight.data = up.linear.weight.data.view(a, b, D, D).permute(3, 2, 0, 1).contiguous()
    bias = up.linear.bias.data.view(a, b, D).permute(2, 0, 1).repeat(1, H // a, W // b)
    cells = tokens((H // a, W // b), 1)
    wide = transpose(as_map(cells, (H // a, W // b)).permute(0, 3, 1, 2)) + bias
    residual = tokens((H, W), 2)
    torch.testing.assert_close(up(cells, residual, (H, W)), residual + wide.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("axes", [1, 2])
def test_naive_pair_keeps_what_is_constant_on_blocks(axes):
    naive = NaiveResampler(axes)
    cells = tokens((1, H * W // 4))
    repeated = naive.up(D, (2, 2))(cells, torch.zeros(2, H * W, D), (H, W))
    torch.testing.assert_close(naive.down(D, (2, 2))(repeated, (H, W)), cells)


@pytest.mark.parametrize("factor", FACTORS)
def test_the_full_layer_is_a_transformer_layer_on_each_block(factor):
    """By torch's own attention: queries are normed, keys and values are not; sizes as in the released code."""
    torch.manual_seed(0)
    heads, width = 3, 8
    resampler = AttentionResampler(dim_head=width, heads=heads, full=True)

    def refined(layer, x, context):
        q, (k, v) = layer.to_q(x), layer.to_kv(context).chunk(2, -1)
        q, k, v = (t.unflatten(-1, (heads, -1)).transpose(-2, -3) for t in (q, k, v))
        x = x + layer.to_out(nn.functional.scaled_dot_product_attention(q, k, v).transpose(-2, -3).flatten(-2))
        return x + layer.feed_forward(x)

    down, up, fine = resampler.down(D, factor), resampler.up(D, factor), tokens()
    coarse = down(fine, (H, W))
    expected = refined(down, down.base(fine, (H, W)).unsqueeze(2), group(fine, (H, W), factor, 2)).squeeze(2)
    torch.testing.assert_close(coarse, expected)
    guess = group(up.base(coarse, fine, (H, W)), (H, W), factor, 2)
    expected = ungroup(refined(up, guess, coarse.unsqueeze(2)), (H, W), factor, 2)
    torch.testing.assert_close(up(coarse, fine, (H, W)), expected)
    inner = heads * width
    for layer in (down, up):
        sizes = [p.numel() for name, p in layer.named_parameters() if name.startswith("to_")]
        assert sum(sizes) == 2 * D + 4 * D * inner + D
        layer(coarse, fine, (H, W)).sum().backward() if layer is up else layer(fine, (H, W)).sum().backward()
        assert all(p.grad is not None for p in layer.parameters())


def test_attention_in_1d_on_2d_pools_reads_strangers():
    """The pairing of the released code, kept for ablation: cell 1 pools one block and attends to another."""
    torch.manual_seed(0)
    released = AttentionResampler(axes=1, base=LinearResampler(axes=2))
    fine = tokens().requires_grad_()
    coarse = released.down(D, (2, 2))(fine, (H, W))
    (gradient,) = torch.autograd.grad(coarse[0, 1].square().sum(), fine)
    seen = gradient[0].abs().sum(-1).nonzero().flatten().tolist()
    assert seen == sorted({2, 3, W + 2, W + 3} | {4, 5, 6, 7})


@pytest.mark.parametrize(("factor", "axes"), [((4, 2), 2), ((2, 3), 2), ((1, 5), 1)])
def test_a_grid_that_cannot_be_divided(factor, axes):
    with pytest.raises(ValueError, match="6x8 cannot be divided"):
        LinearResampler(axes).coarse_grid((H, W), factor)
