"""Pictures by their numbers, a batch at a time, and their files: what every device does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightgen.acceleration import Acceleration
from lightgen.cascade import Cascade
from lightgen.condition import Condition
from lightgen.figures import save_png
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.prior import Prior
from lightgen.recipe import Recipe
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
    """(B,) network evaluations."""
    seconds: float
    """Wall time of the sampler's loop."""


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
        cascade: the priors that begin with `prior`, where there are several; each has its own recipe.
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
    cascade: Cascade | None = None

    @property
    def priors(self) -> list[Prior]:
        """All that take part."""
        return [self.prior] if self.cascade is None else [prior for prior, _ in self.cascade.stages]

    def to(self, device: torch.device) -> None:
        """Move all weights to a device."""
        for prior in self.priors:
            prior.to(device)

    def begin(self) -> None:
        """What is done once, when the priors are on their device."""
        for prior in self.priors:
            if self.acceleration is not None:
                prior.adopt(self.acceleration)

    def __call__(self, index: Tensor) -> SampledPictures:
        device, known = self.prior.device, self.known
        canvas = self.canvas if known is None else known.canvas
        ids_BN, known_BN = (None, None) if known is None else known.rows(len(index), device)
        condition = (self.condition or Condition()).repeat(len(index)).to(device)
        noise = Noise(self.seed, index)
        if self.cascade is None:
            iterations = iter([self.prior.iterate(noise, self.recipe, condition, ids_BN, known_BN, canvas)])
        else:
            iterations = self.cascade.iterate(noise, condition)
        samples = [one.run(self.on_batch(index, one) if self.on_batch else None) for one in iterations]
        images = self.priors[-1].decode(samples[-1].ids, canvas)
        if known is not None and self.composite:
            images = known.composite(images)
        evaluations = torch.stack([sample.trace.evaluations for sample in samples]).sum(0)
        return SampledPictures(index, images, evaluations, sum(sample.trace.seconds for sample in samples))


class PictureFiles:
    """Picture i in `out/00000i.png`, as soon as it is made, and how many network evaluations each took.

    Args:
        out: the folder.
        num_images: how many there will be.
    """

    def __init__(self, out: Path, num_images: int) -> None:
        self.out = out
        self.evaluations = torch.zeros(num_images, dtype=torch.long)

    def write(self, made: SampledPictures) -> None:
        """Write a batch."""
        for index, image in zip(made.index.tolist(), made.images.cpu(), strict=True):
            save_png(image, self.out / picture_name(index))
        self.evaluations[made.index.cpu()] = made.evaluations.cpu()


def picture_name(index: int) -> str:
    """The file name of a picture."""
    return f"{index:06d}.png"
