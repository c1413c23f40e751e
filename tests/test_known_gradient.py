"""A loss that was differentiated when it was made trains as one that was not."""

import torch
from torch import nn

from lightgen.functional.known_gradient import with_gradient


def test_a_known_gradient_goes_on_to_what_is_below():
    torch.manual_seed(0)
    layer, x = nn.Linear(3, 3), torch.randn(4, 3)
    walked, gradients = [], []

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            walked.append(1)
            return grad

    for known in (False, True):
        layer.zero_grad()
        y = layer(x)
        parts = [Counted.apply(y).sin().sum(), Counted.apply(y).square().mean()]
        if known:
            first, second = (torch.autograd.grad(part, y)[0] for part in parts)
            loss = with_gradient(parts[0] + 2 * parts[1], y, first + 2 * second)
        else:
            loss = parts[0] + 2 * parts[1]
        (3 * loss).backward()
        gradients.append((loss.detach(), layer.weight.grad, layer.bias.grad))
    for expected, found in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected)
    # Each part once in either way.
    assert len(walked) == 4
