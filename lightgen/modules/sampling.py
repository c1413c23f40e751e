"""Sampling through Lightning's predict loop, so that devices and nodes share the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lightning.pytorch import LightningModule
from torch import Tensor
from torch.utils.data import DataLoader

from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.modules.precision import require_precision
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


class SamplingModule(LightningModule):
    """Predicts picture number i for each index i of the batch.

    Args:
        prior: what to sample.
        recipe: None means the prior's own.
        condition: of one row, what all pictures are asked for; what it leaves open is drawn for each.
        seed: of the pictures.
        on_batch: makes an `on_step` for each batch, e.g. to move a progress bar, given the pictures' numbers and the
            batch on its way.
        canvas: rows and columns in windows, for larger pictures.
        known: what of every picture is known; it brings its own canvas.
        composite: whether to put the known pixels back.
    """

    def __init__(
        self,
        prior: Prior,
        recipe: Recipe | None = None,
        condition: Condition | None = None,
        seed: int = 0,
        on_batch: Callable[[Tensor, Iteration], OnStep] | None = None,
        canvas: Canvas | None = None,
        known: KnownRegion | None = None,
        composite: bool = False,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.recipe = recipe
        self.condition = condition or Condition()
        self.seed = seed
        self.on_batch = on_batch
        self.canvas = canvas if known is None else known.canvas
        self.known = known
        self.composite = composite

    def setup(self, stage: str) -> None:
        require_precision(self.trainer)

    def predict_step(self, batch: Tensor, batch_idx: int) -> SampledPictures:
        noise = Noise(self.seed, batch)
        ids_BN, known_BN = (None, None) if self.known is None else self.known.rows(len(batch), self.device)
        condition = self.condition.repeat(len(batch)).to(self.device)
        iteration = self.prior.iterate(noise, self.recipe, condition, ids_BN, known_BN, self.canvas)
        sample = iteration.run(self.on_batch(batch, iteration) if self.on_batch else None)
        images = self.prior.decode(sample.ids, self.canvas)
        if self.known is not None and self.composite:
            images = self.known.composite(images)
        return SampledPictures(batch, images, sample.trace.evaluations, sample.trace.seconds)


def indices(num_images: int, batch_size: int) -> DataLoader[int]:
    """Picture numbers 0 to num_images - 1; Lightning divides them among ranks without repeats."""
    return DataLoader(range(num_images), batch_size=batch_size)  # type: ignore[arg-type]
