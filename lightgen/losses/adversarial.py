"""Adversarial training of a tokenizer: discriminator, objective and all that keeps them in balance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.functional.random import Noise
from lightgen.losses.augment import DiffAugment
from lightgen.losses.discriminators import Discriminator
from lightgen.losses.objectives import Hinge, Objective
from lightgen.losses.regularisers import Regulariser
from lightgen.registry import Component
from lightgen.types import LossOutput

REAL, FAKE, GENERATED = range(3)
"""Steps of a batch's noise: the augmentations of what discriminator and generator are trained with."""
EPSILON = 1e-4

Average = Callable[[Tensor], Tensor]
"""Means a tensor over ranks."""


class Adversarial(nn.Module, Component):
    """A discriminator of reconstructions, and how it enters the tokenizer's loss.

    The discriminator trains from batch `start` on. The generator's weight rises from there to its full value within
    `ramp` batches, so that an untrained discriminator cannot wreck a good tokenizer.

    Args:
        discriminator: tells pictures from reconstructions.
        objective: what both play for; None takes `Hinge`.
        weight: of the generator's gradient, relative to that of the reconstruction loss.
        limit: of the adaptive weight, before it is multiplied by `weight`.
        start: the batch from which the discriminator trains; also known as `disc_start`.
        ramp: batches until the generator's weight is full; 0 switches it on at once.
        augment: of what the discriminator sees; None shows pictures as they are.
        regularisers: further terms of the discriminator's loss.

    Raises:
        ValueError: if `weight`, `limit`, `start` or `ramp` is negative.
    """

    kind: ClassVar[str] = "adversarial"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841, eq. 6 and 7"

    def __init__(
        self,
        discriminator: Discriminator,
        objective: Objective | None = None,
        weight: float = 0.8,
        limit: float = 1e4,
        start: int = 0,
        ramp: int = 0,
        augment: DiffAugment | None = None,
        regularisers: Sequence[Regulariser] = (),
    ) -> None:
        super().__init__()
        for name, value in {"weight": weight, "limit": limit, "start": start, "ramp": ramp}.items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, not {value}")
        self.discriminator = discriminator
        self.objective = objective or Hinge()
        self.weight, self.limit = weight, limit
        self.start, self.ramp = start, ramp
        self.augment = augment
        self.regularisers = nn.ModuleList(regularisers)

    def strength(self, batch: int) -> float:
        """The share of the full weight that the generator's loss has at a batch, in [0, 1]."""
        if batch < self.start:
            return 0.0
        return min(1.0, (batch - self.start) / self.ramp) if self.ramp else 1.0

    def discriminator_loss(self, images: Tensor, reconstruction: Tensor, noise: Noise) -> LossOutput:
        """The discriminator's loss on images and reconstructions (B, C, H, W), which get no gradient."""
        seen = self._augmented(images.detach(), noise, REAL).requires_grad_(len(self.regularisers) > 0)
        real = self.discriminator(seen)
        fake = self.discriminator(self._augmented(reconstruction.detach(), noise, FAKE))
        loss = self.objective.discriminator(real, fake)
        metrics = {"discriminator": loss.detach(), "real": real.detach().mean(), "fake": fake.detach().mean()}
        for regulariser in self.regularisers:
            term = regulariser(seen, real, fake)
            metrics[type(regulariser).__name__] = term.detach()
            loss = loss + term
        return LossOutput(loss, metrics)

    def generator_loss(self, reconstruction: Tensor, noise: Noise) -> Tensor:
        """The generator's loss on reconstructions (B, C, H, W); the discriminator gets no gradient."""
        self.discriminator.requires_grad_(False)
        try:
            return self.objective.generator(self.discriminator(self._augmented(reconstruction, noise, GENERATED)))
        finally:
            self.discriminator.requires_grad_(True)

    def balance(
        self, reconstruction: Tensor, gradients: tuple[Tensor, Tensor], layer: Tensor, average: Average
    ) -> Tensor:
        """The adaptive weight, without gradient: the ratio of the gradients' norms at a layer, clamped, times `weight`.

        Args:
            reconstruction: (B, C, H, W), which depends on the layer.
            gradients: by the reconstruction, of the reconstruction's loss and of the generator's.
            layer: the decoder's last weight.
            average: means the gradients over ranks, so that all ranks use the weight of one with all pictures.
        """
        norms = [
            average(torch.autograd.grad(reconstruction, layer, gradient, retain_graph=True)[0]).float().norm()
            for gradient in gradients
        ]
        return (norms[0] / (norms[1] + EPSILON)).clamp(0, self.limit) * self.weight

    def _augmented(self, images: Tensor, noise: Noise, step: int) -> Tensor:
        return images if self.augment is None else self.augment(images, noise, step)
