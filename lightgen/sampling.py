"""Pictures by their numbers, a batch at a time, and their files: what every device does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightgen.acceleration import Acceleration
from lightgen.condition import Condition
from lightgen.figures import save_png
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.reranking import BestOf
from lightgen.samplers.iteration import Iteration
from lightgen.types import Canvas, OnStep


@dataclass(frozen=True)
class SampledPictures:
    """A batch of results: which pictures they are, the pictures, and what they cost."""

    index: Tensor
    """(B,) the number of each picture."""
    images: Tensor
    """(B, C, H, W) uint8."""
    evaluations: Tensor
    """(B,) network evaluations, those of draws that were not kept included."""
    seconds: float
    """Wall time of the sampler's loop."""
    asked: Condition
    """What they were asked for, what was drawn for them included."""
    draws: Tensor
    """(B,) the number that each is made by alone: its own, unless it is the best of several."""


@dataclass(frozen=True)
class Sampling:
    """Makes picture number i of a seed for each index i (B,).

    Args:
        prior: what to sample.
        recipe: None means the prior's own.
        condition: of one row, what all pictures are asked for; what it leaves open is drawn for each.
            None leaves all open.
        seed: of the pictures.
        on_batch: makes an `on_step` for each batch, e.g. to move a progress bar, given the pictures' numbers and the
            batch on its way.
        canvas: rows and columns in windows, for larger pictures; a known region brings its own.
        known: what of every picture is known.
        composite: whether to put the known pixels back.
        acceleration: what makes it fast; None does nothing.
        best_of: how to choose among several draws of each; None makes one.
    """

    prior: Prior
    recipe: Recipe | None = None
    condition: Condition | None = None
    seed: int = 0
    on_batch: Callable[[Tensor, Iteration], OnStep | None] | None = None
    canvas: Canvas | None = None
    known: KnownRegion | None = None
    composite: bool = False
    acceleration: Acceleration | None = None
    best_of: BestOf | None = None

    def begin(self) -> None:
        """What is done once, when the prior is on its device."""
        if self.acceleration is not None:
            self.prior.adopt(self.acceleration)
        if self.best_of is not None:
            self.best_of.judge.to(self.prior.device)

    def __call__(self, index: Tensor) -> SampledPictures:
        device, known = self.prior.device, self.known
        canvas = self.canvas if known is None else known.canvas
        draws = index if self.best_of is None else self.best_of.draws(index)
        ids_BN, known_BN = (None, None) if known is None else known.rows(len(draws), device)
        first = Noise(self.seed, draws[:: len(draws) // len(index)])
        asked = self.prior.completed((self.condition or Condition()).repeat(len(index)).to(device), first)
        told = asked if self.best_of is None else self.best_of.asked(asked)
        iteration = self.prior.iterate(Noise(self.seed, draws), self.recipe, told, ids_BN, known_BN, canvas)
        sample = iteration.run(self.on_batch(index, iteration) if self.on_batch else None)
        images = self.prior.decode(sample.ids, canvas)
        if known is not None and self.composite:
            images = known.composite(images)
        evaluations, seconds = sample.trace.evaluations, sample.trace.seconds
        if self.best_of is not None:
            kept = self.best_of.best(images, told, self.prior.classes)
            images, draws, evaluations = images[kept], draws[kept], evaluations.view(len(index), -1).sum(1)
        return SampledPictures(index, images, evaluations, seconds, asked, draws)


class PictureFiles:
    """Picture i in `out/00000i.png`, as soon as it is made, how many network evaluations each took, and its draw.

    Args:
        out: the folder.
        num_images: how many there will be.
    """

    def __init__(self, out: Path, num_images: int) -> None:
        self.out = out
        self.evaluations, self.draws = torch.zeros(2, num_images, dtype=torch.long)

    def write(self, made: SampledPictures) -> None:
        """Write a batch."""
        for index, image in zip(made.index.tolist(), made.images.cpu(), strict=True):
            save_png(image, self.out / picture_name(index))
        self.evaluations[made.index.cpu()], self.draws[made.index.cpu()] = made.evaluations.cpu(), made.draws.cpu()


def picture_name(index: int) -> str:
    """The file name of a picture."""
    return f"{index:06d}.png"
