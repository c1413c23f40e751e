"""A trained generator: tokenizer, network and process, ready to be sampled by any sampler that fits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

import torch
from PIL import Image
from torch import Tensor

from lightgen.asking import LIKE, TEXT, Labels, Texts, condition_of, how_many, require_away, require_told, whole, words
from lightgen.assembly import Assembly
from lightgen.condition import Condition
from lightgen.functional.random import Noise
from lightgen.guidance.base import Guidance
from lightgen.inpainting import KnownRegion, known_pixels, known_region
from lightgen.labels import LABEL
from lightgen.recipe import Recipe
from lightgen.references import Like, references
from lightgen.registry import Component
from lightgen.samplers.base import Sampler
from lightgen.types import Canvas, OnStep


class Prior(Assembly, Component):
    """Everything that is needed to make pictures.

    Args:
        tokenizer: images to ids and back; frozen.
        network: noisy ids to logits.
        process: what the network was trained with.
        recipe: used where none is given.
        others: networks beside the first by the role that the process trains them in, e.g. a critic.

    Raises:
        ValueError: if the recipe or a network does not fit the process, or guidance the training.

    >>> prior = lightgen.load("zoo:emoji64-sundae")
    >>> prior.sample(2, steps=4, label="Flags").shape
    torch.Size([2, 3, 64, 64])
    """

    kind: ClassVar[str] = "prior"
    source: ClassVar[str] = "McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __repr__(self) -> str:
        layout, (height, width) = self.layout(), self.tokenizer.image_size
        tokens = "x".join(map(str, layout.cells)) + (f"x{layout.num_codes}" if layout.num_codes > 1 else "")
        conditioner = self.network.conditioner
        asked = ", ".join(words(conditioner)) or "no condition"
        if asked == LABEL and (number := getattr(conditioner, "num_classes", 0)) > 0:
            asked = f"{number} classes"
        return (
            f"Prior({type(self.process).__name__} process, {tokens} tokens of {layout.vocab_size}, {height}x{width} "
            f"pixels, {asked}, {self.recipe})"
        )

    def forward(self, *args: Any, **kwargs: Any) -> NoReturn:
        """A prior is not called.

        Raises:
            ValueError: that says what to call.
        """
        raise ValueError("a prior is not called: prior.sample(4) makes four pictures, prior.inpaint(image, mask) fills "
                         "a hole, prior.network gives logits")  # fmt: skip

    def condition(
        self,
        label: Labels = None,
        num_images: int = 1,
        *,
        text: Texts = None,
        like: Like = None,
        **others: Labels,
    ) -> Condition:
        """What pictures are asked for, all the same or each its own; None leaves it open.

        Args:
            label: a number or a name of `classes`, or one for each picture.
            num_images: B.
            text: what is to be seen, or one text for each picture.
            like: a picture that they shall be like, or one for each: uint8 (C, H, W) of the prior's size, or Pillow's,
                which is resized and cropped as in training.
            others: of each other category by its name, e.g. `style="noto"`, a number or one of its `categories`.

        Each may be a tuple of it and a weight, a float: 0 is as if it were not there, 1 is the same without a weight.

        Raises:
            ValueError: if the prior was trained without it, there is no such value, or a weight is below 0.
        """
        asked = {LABEL: label, TEXT: text, **others}
        conditioner = self.network.conditioner
        if like is not None:
            require_told(LIKE, like, conditioner)
        return condition_of(asked, num_images, conditioner, self.categories).update(references(self, like, num_images))

    def unconditional(self, num_images: int) -> Condition:
        """That nothing is asked for, where the prior was trained so; the rest is left open."""
        conditioner = self.network.conditioner
        drawn = self.completed(None, Noise.of(0, num_images, device=self.device)).to("cpu")
        names = [] if conditioner is None else [name for name in drawn.tensors if conditioner.hides([name])]
        everywhere = torch.ones(num_images, dtype=torch.bool)
        return drawn.keep(names).hide(*names, rows=everywhere) if names else Condition()

    def sample(
        self,
        num_images: int | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
        label: Labels = None,
        batch_size: int = 64,
        canvas: Canvas | None = None,
        *,
        text: Texts = None,
        negative_text: Texts = None,
        like: Like = None,
        sampler: Sampler | str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        guidance: Guidance | float | None = None,
        on_step: OnStep | None = None,
        **others: Labels,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W). Picture i of a seed is the same whatever the number and batch size.

        That holds up to the rounding of the network, whose matrix products may differ in the last bit with the
        number of rows.

        Args:
            num_images: how many; None makes one, or one for each text or label of a list.
            recipe: None means the prior's own.
            seed: another one, other pictures.
            label: a class by number or name (see `classes`), or one for each picture; None draws them, or leaves them
                to the network where something else is asked for.
            batch_size: pictures at a time.
            canvas: rows and columns, in windows of the size in training, for larger pictures.
            text: what is to be seen, or a list with one text for each picture.
            negative_text: what guidance goes away from, in place of nothing; likewise.
            like: a picture that they shall be like, or a list; see `condition`, also for weights: `like=(image, 0.5)`.
            sampler, steps, temperature, guidance: what to change of the recipe: see `Recipe.changed`.
            others: other categories by name, e.g. `style="noto"`, as `label`; see `categories`.
            on_step: called after every step of each batch with its number, from 0 on, and the ids, which `decode`
                makes pictures of.

        Raises:
            ValueError: if a value is of another type or out of range, or the sampler does not fit the prior.

        >>> prior = lightgen.load("zoo:emoji64-absorbing")
        >>> images = prior.sample(2, sampler="MaskGIT", steps=4, temperature=0.5, guidance=1, label=["Flags", 0])
        >>> lightgen.to_pil(images)[0].size
        (64, 64)
        """
        pictures = like if isinstance(like, (list, tuple)) else None
        num_images = how_many(num_images, label, text, negative_text, pictures, *others.values())
        recipe = self.chosen(recipe, sampler=sampler, steps=steps, temperature=temperature, guidance=guidance)
        condition = self.condition(label, num_images, text=text, like=like, **others)
        away = self.negative(negative_text, num_images, recipe)
        run = (num_images, recipe, seed, condition, away, batch_size, canvas, None, on_step)
        return torch.cat(list(self._pictures(*run)))

    def negative(self, text: Texts, num_images: int, recipe: Recipe) -> Condition:
        """What guidance goes away from, in place of nothing.

        Args:
            text: for all pictures, or one for each; None is nothing.
            num_images: B.
            recipe: by which they are made.

        Raises:
            ValueError: if the recipe has no guidance that would go away from it, or the prior no text.
        """
        if text is not None:
            require_told(TEXT, text, self.network.conditioner)
            require_away(recipe.guidance)
        return self.condition(num_images=num_images, text=text)

    def inpaint(
        self,
        image: Tensor | Image.Image,
        mask: Tensor | Image.Image | None = None,
        num_images: int | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
        label: Labels = None,
        batch_size: int = 64,
        canvas: Canvas | None = None,
        at: Canvas | None = None,
        *,
        margin: int = 1,
        composite: bool = False,
        text: Texts = None,
        negative_text: Texts = None,
        like: Like = None,
        sampler: Sampler | str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        guidance: Guidance | float | None = None,
        on_step: OnStep | None = None,
        **others: Labels,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W): a picture with its masked part painted, or continued on a canvas.

        Args:
            image: uint8 (C, H, W) of the prior's size, or Pillow's, which is resized and cropped as in training.
            mask: as large: bool (H, W), True where to paint, or Pillow's, white or transparent there. It may be left
                out only with a canvas.
            num_images: how many results; None makes one, or one for each text or label of a list.
            recipe: None means the prior's own, without its guidance unless a text is given.
            seed, batch_size, canvas, text, negative_text, like, others, on_step: see `sample`.
            label: see `sample`; None asks for no class.
            at: where on the canvas the picture's first row and column lie, in windows; None is the middle.
            margin: token cells around painted ones that are redrawn too, because the encoder looks over their borders.
            composite: whether to put the known pixels back, to the bit.
            sampler, steps, temperature, guidance: what to change of the recipe: see `Recipe.changed`.

        Raises:
            ValueError: as `sample`, or if picture and mask do not fit, or nothing or everything is known.

        >>> prior = lightgen.load("zoo:emoji64-sundae")
        >>> image, mask = prior.sample(1)[0], torch.zeros(64, 64, dtype=torch.bool)
        >>> mask[16:48, 16:48] = True
        >>> prior.inpaint(image, mask, num_images=3, steps=4, composite=True).shape
        torch.Size([3, 3, 64, 64])
        """
        pictures = like if isinstance(like, (list, tuple)) else None
        num_images = how_many(num_images, label, text, negative_text, pictures, *others.values())
        if mask is None and canvas is None:
            raise ValueError("without a canvas, a mask is needed")
        picture, pixels = known_pixels(image, mask, self.tokenizer.image_size, self.tokenizer.channels)
        known = known_region(self, picture, pixels, margin, canvas, at)
        recipe = self.chosen(
            self.unguided if (recipe, guidance, text, negative_text) == (None,) * 4 else recipe,
            sampler=sampler, steps=steps, temperature=temperature, guidance=guidance,
        )  # fmt: skip
        condition = self.condition(label, num_images, text=text, like=like, **others)
        condition = condition or self.unconditional(num_images)
        away = self.negative(negative_text, num_images, recipe)
        pictures = self._pictures(num_images, recipe, seed, condition, away, batch_size, canvas, known, on_step)
        return torch.cat([known.composite(images) if composite else images for images in pictures])

    @property
    def unguided(self) -> Recipe:
        """The prior's own recipe, without guidance."""
        return self.recipe.replace(guidance=None)

    def _pictures(
        self,
        num_images: int,
        recipe: Recipe,
        seed: int,
        condition: Condition,
        negative: Condition,
        batch_size: int,
        canvas: Canvas | None,
        known: KnownRegion | None,
        on_step: OnStep | None,
    ) -> Iterator[Tensor]:
        """uint8 images (b, C, H, W), batch by batch."""
        batch_size = whole("batch_size", batch_size)
        if not isinstance(seed, int):
            raise ValueError(f"seed must be a whole number, not {seed!r}")
        for first in range(0, num_images, batch_size):
            rows = torch.arange(first, min(first + batch_size, num_images))
            noise = Noise(seed, rows.to(self.device))
            ids_BN, known_BN = (None, None) if known is None else known.rows(len(rows), self.device)
            told, away = condition.select(rows), negative.select(rows)
            sample = self.sample_ids(noise, recipe, told, ids_BN, known_BN, on_step, canvas, away)
            yield self.decode(sample.ids, canvas)
