"""Classifiers that generated pictures are judged by."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from torch import Tensor, nn

from lightgen.metrics.pictures import TimmPictures, look
from lightgen.registry import Component


class Classifier(Component):
    """Maps uint8 pictures to class probabilities. It is no part of a model's parameters or checkpoint."""

    kind: ClassVar[str] = "classifier"

    name: str
    """What scores are labelled with."""
    num_classes: int
    resize: str
    """How pictures come to the network's size: part of what a score means."""
    network: nn.Module

    def __call__(self, images: Tensor) -> Tensor:
        """Probabilities (B, num_classes) float32 of uint8 pictures (B, C, H, W); grey ones get three channels.

        Raises:
            ValueError: if pictures are not uint8 with 1 or 3 channels.
        """
        return look(self.network, self.logits, images).softmax(1)

    @abstractmethod
    def logits(self, images: Tensor) -> Tensor:
        """Unnormalised log probabilities (B, num_classes) of uint8 pictures (B, 3, H, W)."""


class TimmClassifier(Classifier):
    """Any timm model with its classifier.

    Args:
        model: a timm model's name.
        num_classes: as in the weights.
        size: pictures are resized to this (bicubic, antialiased) first; None takes the model's own size.
        checkpoint_path: weights of the model; its name joins the scores'. None takes timm's cache.

    Raises:
        ValueError: if the weights cannot be had or are of another number of classes, or a number is below 1.
    """

    source: ClassVar[str] = "timm"

    def __init__(
        self, model: str, num_classes: int = 1000, size: int | None = None, checkpoint_path: str | None = None
    ) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, not {num_classes}")
        self.model = TimmPictures(model, size, checkpoint_path, num_classes)
        self.network = self.model.network
        self.name, self.resize, self.num_classes = self.model.name, self.model.resize, num_classes

    def logits(self, images: Tensor) -> Tensor:
        return self.model(images)
