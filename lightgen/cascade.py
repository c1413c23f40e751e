"""Priors in a row, from coarse to fine: each reads the ids that the one before it made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from lightgen.asking import TEXT, WORDS, Labels, Texts, condition_of, how_many, require_away, whole, words
from lightgen.checkpoint import fingerprint
from lightgen.condition import Condition
from lightgen.conditioners.base import Conditioner
from lightgen.conditioners.low_resolution import COARSE, levels
from lightgen.for_each import listed
from lightgen.functional.likeness import NEIGHBOURS, PICTURE
from lightgen.functional.pictures import to_pil, to_tensor
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion, known_cells, known_pixels, known_region
from lightgen.labels import LABEL, Categories
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.references import Like
from lightgen.reranking import BestOf, chosen_by
from lightgen.samplers.iteration import Iteration
from lightgen.types import NEUTRAL

if TYPE_CHECKING:
    from lightgen.scorers.base import Scorer


class Cascade(nn.Module):
    """Makes pictures by several priors: the first one alone, each later one told the ids of the one before it.

    A class, or whatever else a picture is asked for, reaches every prior that knows it, and is drawn once where it is
    left open. The first prior makes the same ids of a picture as it does alone; each has random numbers of its own.

    Source: Razavi et al., 2019, arXiv 1906.00446; Chang et al., 2023, arXiv 2301.00704.

    Args:
        priors: from coarse to fine; each but the first has a `LowResolution`, alone or in a `Mixed`. They are told by
            their weights, so `accelerate` them afterwards.
        recipes: one for each, of which None means the prior's own; None means so for all.

    Raises:
        ValueError: if a prior reads no coarser ids, or those of another tokenizer than that of the prior before it, a
            recipe does not fit its prior, or there are not as many.
    """

    def __init__(self, priors: Sequence[Prior], recipes: Sequence[Recipe | None] | None = None) -> None:
        super().__init__()
        if len(priors) < 2:
            raise ValueError(f"a cascade is of two priors at least, from coarse to fine, not of {len(priors)}")
        recipes = [None] * len(priors) if recipes is None else recipes
        if len(recipes) != len(priors):
            raise ValueError(f"recipes must be one for each of {len(priors)} priors, not {len(recipes)}")
        for number, (before, prior) in enumerate(pairwise(priors), 2):
            _require_levels(before, prior, number)
        # May not know any picture without a coarser one.
        priors[0].completed(None, Noise.of(0, 1))
        self.priors = nn.ModuleList(priors)
        self.recipes = [prior.chosen(recipe) for prior, recipe in zip(priors, recipes, strict=True)]

    @property
    def stages(self) -> list[tuple[Prior, Recipe]]:
        """Each prior with what it is sampled by."""
        return list(zip(cast("list[Prior]", list(self.priors)), self.recipes, strict=True))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.stages[0][0].device

    @property
    def categories(self) -> Categories:
        """Names of the values of each category, by the first prior that knows it."""
        return joined_categories([prior for prior, _ in self.stages])

    def condition(
        self, label: Labels = None, num_images: int = 1, *, text: Texts = None, like: Like = None, **others: Labels
    ) -> Condition:
        """See `Prior.condition`; a class by name is one of the first prior that knows classes, and others likewise.

        What pictures shall be like is told to the first prior, and is of its size.

        Raises:
            ValueError: if a prior has no such value, or none knows what is asked for.
        """
        found = self.stages[0][0].condition(num_images=num_images, like=like)
        for name, given in {LABEL: label, TEXT: text, **others}.items():
            if given is None:
                continue
            if not (knowing := [prior for prior, _ in self.stages if name in words(prior.network.conditioner)]):
                without, said = "classes" if name == LABEL else name, f" {given}" if isinstance(given, int) else ""
                raise ValueError(f"{name}{said} was given, but these priors were trained without {without}")
            first = knowing[0]
            asked = condition_of({name: given}, num_images, first.network.conditioner, first.categories)
            for prior in knowing:
                cast(Conditioner, prior.network.conditioner).require(asked)
            found = found.update(asked)
        return found

    def negative(self, text: Texts, num_images: int = 1) -> Condition:
        """What guidance goes away from, in place of nothing, in every prior that knows texts.

        Args:
            text: for all pictures, or one for each; None is nothing.
            num_images: B.

        Raises:
            ValueError: if no prior knows texts, or none of those has guidance that would go away from it.
        """
        if text is None:
            return Condition()
        said = self.condition(num_images=num_images, text=text)
        require_away(*(recipe.guidance for prior, recipe in self.stages if TEXT in words(prior.network.conditioner)))
        return said

    def completed(self, condition: Condition | None, noise: Noise) -> Condition:
        """What B pictures are asked for, with what the first prior draws where a condition leaves it open.

        Raises:
            ValueError: if it has ids of the first prior that another one would take for its own.
        """
        asked, first = (condition or Condition()).to(self.device), self.stages[0][0]
        self._require_own(asked)
        return asked.update(first.completed(asked.keep(_names(first)), noise))

    def sample(
        self,
        num_images: int | None = None,
        seed: int = 0,
        label: Labels = None,
        batch_size: int = 64,
        *,
        text: Texts = None,
        negative_text: Texts = None,
        like: Like = None,
        best_of: int = 1,
        judge: Scorer | str | None = None,
        **others: Labels,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W) of the last prior. Picture i of a seed is the same in any batch.

        Args:
            num_images, seed, label, batch_size, text, others: see `Prior.sample`.
            like: likewise, for the first prior.
            negative_text: likewise, for every prior that knows texts and has guidance.
            best_of, judge: likewise; the last prior's pictures are judged, and each draw is one of all priors.

        Raises:
            ValueError: if a value is of another type or out of range.
        """
        num_images = how_many(num_images, label, text, negative_text, listed(like), *others.values())
        asked = self.condition(label, num_images, text=text, like=like, **others)
        away, best = self.negative(negative_text, num_images), chosen_by(best_of, judge)
        return torch.cat(list(self._pictures(num_images, seed, asked, away, batch_size, best=best)))

    def inpaint(
        self,
        image: Tensor | Image.Image,
        mask: Tensor | Image.Image,
        num_images: int | None = None,
        seed: int = 0,
        label: Labels = None,
        batch_size: int = 64,
        *,
        margin: int = 1,
        composite: bool = False,
        text: Texts = None,
        negative_text: Texts = None,
        like: Like = None,
        **others: Labels,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W): a picture with its masked part painted, at every level.

        Where the hole, and the margin around it, leave no token of a coarse level known, that is drawn from nothing.

        Args:
            image: uint8 (C, H, W) of the last prior's size, or Pillow's, which is resized and cropped as in training.
            mask, num_images, seed, label, batch_size, margin, composite, text, others: see `Prior.inpaint`.
            negative_text, like: see `sample`.

        Raises:
            ValueError: as `Prior.inpaint`.
        """
        last = self.stages[-1][0].tokenizer
        picture, pixels = known_pixels(image, mask, last.image_size, last.channels)
        finest = known_region(self.stages[-1][0], picture, pixels, margin)
        known = [*(_known(prior, picture, pixels, margin) for prior, _ in self.stages[:-1]), finest]
        num_images = how_many(num_images, label, text, negative_text, listed(like), *others.values())
        asked = self.condition(label, num_images, text=text, like=like, **others)
        away = self.negative(negative_text, num_images)
        if not asked:
            asked = self.stages[0][0].unconditional(num_images)
        made = self._pictures(num_images, seed, asked, away, batch_size, known)
        return torch.cat([finest.composite(images) if composite else images for images in made])

    def iterate(
        self,
        noise: Noise,
        condition: Condition | None = None,
        known: Sequence[KnownRegion | None] | None = None,
        negative: Condition | None = None,
    ) -> Iterator[Iteration]:
        """Prior by prior, a batch on its way through its sampler: run it before the next one is asked for.

        Args:
            noise: which pictures of which seed; on the priors' device.
            condition: what the B pictures are asked for; what it leaves open is drawn.
            known: what of every picture is known, at each level; None is nothing.
            negative: what guidance goes away from, in place of nothing, where a prior knows it.
        """
        asked, away = condition or Condition(), negative or Condition()
        self._require_own(asked)
        for number, (prior, recipe) in enumerate(self.stages):
            own = noise if number == 0 else noise.fold(number)
            told = prior.completed(asked.keep(_names(prior)), own)
            region = None if known is None else known[number]
            ids, mask = (None, None) if region is None else region.rows(len(noise.index), prior.device)
            iteration = prior.iterate(own, recipe, told, ids, mask, negative=away.keep(_names(prior)))
            yield iteration
            asked = asked.update(told).replace(**{COARSE: iteration.ids})

    def _require_own(self, condition: Condition) -> None:
        """Refuse ids of other pictures by the first prior's tokenizer where a later prior knows the name."""
        for number, (prior, _) in enumerate(self.stages[1:], 2):
            for name in (PICTURE, NEIGHBOURS):
                if name in condition.tensors and name in _names(prior):
                    raise ValueError(f"{WORDS.get(name, name)} is for the first prior of a cascade, and prior {number} "
                                     "would take it for its own; leave it out")  # fmt: skip

    def _pictures(
        self,
        num_images: int,
        seed: int,
        condition: Condition,
        negative: Condition,
        batch_size: int,
        known: Sequence[KnownRegion | None] | None = None,
        best: BestOf | None = None,
    ) -> Iterator[Tensor]:
        for rows in torch.arange(num_images).split(whole("batch_size", batch_size)):
            noise = Noise(seed, rows.to(self.device))
            told, away = condition.select(rows), negative.select(rows)
            if best is not None:
                noise, told, away = best.begin(self.completed, noise, told, away)
            for iteration in self.iterate(noise, told, known, away):
                ids_BN = iteration.run().ids
            images = self.stages[-1][0].decode(ids_BN)
            yield images if best is None else images[best.best(images, told, self.categories)]


def joined_categories(priors: Sequence[Prior]) -> Categories:
    """Names of the values of each category, by the first of several priors that knows it."""
    return {name: names for prior in reversed(priors) for name, names in prior.categories.items()}


def _names(prior: Prior) -> tuple[str, ...]:
    conditioner = prior.network.conditioner
    return () if conditioner is None else conditioner.names


def _require_levels(before: Prior, prior: Prior, number: int) -> None:
    """Refuse prior number `number` where it does not read the ids of the one before it."""
    found = levels(prior.network.conditioner)
    if not found:
        told = ", ".join(words(prior.network.conditioner)) or "no condition"
        raise ValueError(
            f"prior {number} of the cascade was not trained with the ids of a coarser picture, but with {told}"
        )
    for level in found:
        try:
            level.require_ids(before.layout(), fingerprint(before.tokenizer))
        except ValueError as error:
            raise ValueError(f"prior {number} of the cascade does not fit the one before it: {error}") from None


def _resized(prior: Prior, picture: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """A picture, uint8 (C, H, W), and its known pixels, (H, W) bool, as a prior has them.

    The unknown pixels are grey before a filter sees them. A pixel is known where all that it covers are.
    """
    (height, width), channels = prior.tokenizer.image_size, prior.tokenizer.channels
    (image,) = to_pil(torch.where(pixels, picture, NEUTRAL)[None])
    unknown = adaptive_max_pool2d((~pixels)[None].float(), (height, width))[0] > 0
    return to_tensor(image, (height, width), channels, "lanczos"), ~unknown


def _known(prior: Prior, picture: Tensor, pixels: Tensor, margin: int) -> KnownRegion | None:
    image, there = _resized(prior, picture, pixels)
    return known_region(prior, image, there, margin) if bool(known_cells(prior, there, margin).any()) else None
