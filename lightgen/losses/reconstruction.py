"""What a reconstruction is compared by."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

from lightgen.losses.perceptual import Perceptual
from lightgen.registry import Component
from lightgen.types import LossOutput


class ReconstructionLoss(Component):
    """A weighted sum of pixel distances and, if wanted, a perceptual one.

    Args:
        l1: weight of the mean absolute difference.
        mse: weight of the mean squared difference.
        perceptual: a perceptual distance; None leaves it out.
        perceptual_weight: its weight.
    """

    kind: ClassVar[str] = "loss"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(
        self, l1: float = 1.0, mse: float = 0.0, perceptual: Perceptual | None = None, perceptual_weight: float = 1.0
    ) -> None:
        self.l1 = l1
        self.mse = mse
        self.perceptual = perceptual
        self.perceptual_weight = perceptual_weight

    def __call__(self, reconstruction: Tensor, images: Tensor) -> LossOutput:
        """The loss of reconstructions (B, C, H, W) of images, both in [-1, 1]."""
        metrics = {"l1": l1_loss(reconstruction, images), "mse": mse_loss(reconstruction, images)}
        loss = self.l1 * metrics["l1"] + self.mse * metrics["mse"]
        if self.perceptual is not None:
            metrics["perceptual"] = self.perceptual(reconstruction, images)
            loss = loss + self.perceptual_weight * metrics["perceptual"]
        return LossOutput(loss, {name: value.detach() for name, value in metrics.items()})
