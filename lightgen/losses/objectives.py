"""What discriminator and generator play for."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import relu, softplus

from lightgen.registry import Component


class Objective(Component):
    """Two losses on logits of any shape, which are high for what looks real."""

    kind: ClassVar[str] = "objective"

    @abstractmethod
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss, a scalar."""

    @abstractmethod
    def generator(self, fake: Tensor) -> Tensor:
        """The generator's loss, a scalar."""


class Hinge(Objective):
    """1/2 E[max(0, 1 - D(x))] + 1/2 E[max(0, 1 + D(x'))] against -E[D(x')]."""

    source: ClassVar[str] = "Lim and Ye, 2017, arXiv 1705.02894; Esser et al., 2021, arXiv 2012.09841"

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return (relu(1 - real).mean() + relu(1 + fake).mean()) / 2

    def generator(self, fake: Tensor) -> Tensor:
        return -fake.mean()


class NonSaturating(Objective):
    """-E[log s(D(x))] - E[log(1 - s(D(x')))] against -E[log s(D(x'))], where s is the logistic function."""

    source: ClassVar[str] = "Goodfellow et al., 2014, arXiv 1406.2661"

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()
