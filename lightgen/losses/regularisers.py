"""What keeps a discriminator from running away."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.registry import Component


class Regulariser(nn.Module, Component):
    """A term of the discriminator's loss.

    Args:
        weight: of the term, at least 0.

    Raises:
        ValueError: if `weight` is negative.
    """

    kind: ClassVar[str] = "regulariser"

    def __init__(self, weight: float) -> None:
        super().__init__()
        if weight < 0:
            raise ValueError(f"weight must be at least 0, not {weight}")
        self.weight = weight

    @abstractmethod
    def forward(self, images: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        """The term, weighted.

        Args:
            images: (B, C, H, W), the real pictures that the discriminator saw; they require a gradient.
            real: their logits.
            fake: the logits of reconstructions.
        """


class R1(Regulariser):
    """weight / 2 E|dD(x) / dx|^2 on real pictures, where D(x) is a picture's mean logit.

    Args:
        weight: gamma.
    """

    source: ClassVar[str] = "Mescheder et al., 2018, arXiv 1801.04406, eq. 9"

    def __init__(self, weight: float = 10.0) -> None:
        super().__init__(weight)

    def forward(self, images: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(real.flatten(1).mean(1).sum(), images, create_graph=True)
        return self.weight / 2 * gradient.square().flatten(1).sum(1).mean()


class LeCam(Regulariser):
    """weight (E(D(x) - a_fake)^2 + E(D(x') - a_real)^2), where a_real and a_fake are moving averages of the logits.

    The averages are those of the batches before, so that they are the same on all ranks.

    Args:
        weight: lambda.
        decay: of the moving averages, per batch, in [0, 1).

    Raises:
        ValueError: if `decay` is out of range.
    """

    source: ClassVar[str] = "Tseng et al., 2021, arXiv 2104.03310"

    average_real: Tensor
    average_fake: Tensor

    def __init__(self, weight: float = 0.001, decay: float = 0.99) -> None:
        super().__init__(weight)
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {decay}")
        self.decay = decay
        self.register_buffer("average_real", torch.zeros(()))
        self.register_buffer("average_fake", torch.zeros(()))

    def forward(self, images: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        term = (real - self.average_fake).square().mean() + (fake - self.average_real).square().mean()
        for average, logits in ((self.average_real, real), (self.average_fake, fake)):
            average.lerp_(logits.detach().float().mean(), 1 - self.decay)
        return self.weight * term
