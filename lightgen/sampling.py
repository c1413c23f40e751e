"""Pictures by their numbers, a batch at a time, and their files: what every device does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lightgen.acceleration import Acceleration
from lightgen.assembly import Beginning
from lightgen.cascade import Cascade
from lightgen.condition import Condition
from lightgen.editing import Edit
from lightgen.figures import save_png
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.reranking import BestOf
from lightgen.samplers.iteration import Iteration
from lightgen.settings import Settings
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
        condition: what pictures are asked for, dealt out in turn; what it leaves open is drawn for each. None leaves
            all open.
        seed: of the pictures.
        on_batch: makes an `on_step` for each batch, e.g. to move a progress bar, given the pictures' numbers and the
            batch on its way.
        canvas: rows and columns in windows, for larger pictures; what is given brings its own.
        given: what of every picture is known, or which pictures are changed.
        composite: whether to put the pixels of a known region back.
        acceleration: what makes it fast; None does nothing.
        negative: what guidance goes away from, dealt out likewise; None is nothing.
        best_of: how to choose among several draws of each; None makes one.
        cascade: the priors that begin with `prior`, where there are several; each has its own recipe, and nothing of
            canvas and given is for them.
    """

    prior: Prior
    recipe: Recipe | None = None
    condition: Condition | None = None
    seed: int = 0
    on_batch: Callable[[Tensor, Iteration], OnStep | None] | None = None
    canvas: Canvas | None = None
    given: KnownRegion | Edit | None = None
    composite: bool = False
    acceleration: Acceleration | None = None
    negative: Condition | None = None
    best_of: BestOf | None = None
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
        maker = self.cascade or self.prior
        canvas = self.canvas if self.given is None else self.given.canvas
        draws = index if self.best_of is None else self.best_of.draws(index)
        told, away = ((one or Condition()).dealt(index).to(maker.device) for one in (self.condition, self.negative))
        # All draws of a picture are asked for the same, which the first of them decides.
        asked = told = maker.completed(told, Noise(self.seed, draws[:: len(draws) // len(index)]))
        if self.best_of is not None:
            told, away = self.best_of.asked(told), self.best_of.asked(away)
        iterations = self._iterations(Noise(self.seed, draws), told, away, canvas)
        samples = [iteration.run(self._on_step(index, iteration)) for iteration in iterations]
        images = self.priors[-1].decode(samples[-1].ids, canvas)
        if isinstance(self.given, KnownRegion) and self.composite:
            images = self.given.composite(images)
        evaluations = torch.stack([sample.trace.evaluations for sample in samples]).sum(0)
        if self.best_of is not None:
            kept = self.best_of.best(images, told, maker.categories)
            images, draws, evaluations = images[kept], draws[kept], evaluations.view(len(index), -1).sum(1)
        seconds = sum(sample.trace.seconds for sample in samples)
        return SampledPictures(index, images, evaluations, seconds, asked, draws)

    def _iterations(self, noise: Noise, told: Condition, away: Condition, canvas: Canvas | None) -> Iterator[Iteration]:
        """Of each prior in its turn."""
        if self.cascade is not None:
            yield from self.cascade.iterate(noise, told, negative=away)
            return
        begun = Beginning() if self.given is None else self.given.begin(self.prior, noise)
        how = (noise, self.recipe, told, begun.ids, begun.known, canvas, away)
        yield self.prior.iterate(*how, start=begun.start)

    def _on_step(self, index: Tensor, iteration: Iteration) -> OnStep | None:
        return self.on_batch(index, iteration) if self.on_batch else None


class PictureFiles:
    """Pictures as files, as soon as they are made, how many network evaluations each took, and which draw it is.

    Args:
        out: the folder.
        names: of their files.
        settings: what made each, by its number, which it carries; None puts in nothing.
    """

    def __init__(self, out: Path, names: Sequence[str], settings: Callable[[int], Settings] | None = None) -> None:
        self.out, self.names, self.settings = out, names, settings
        self.evaluations, self.draws = torch.zeros(2, len(names), dtype=torch.long)

    def write(self, made: SampledPictures) -> None:
        """Write a batch."""
        for index, image in zip(made.index.tolist(), made.images.cpu(), strict=True):
            save_png(image, self.out / self.names[index], None if self.settings is None else self.settings(index))
        self.evaluations[made.index.cpu()], self.draws[made.index.cpu()] = made.evaluations.cpu(), made.draws.cpu()
