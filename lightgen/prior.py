"""A trained generator: tokenizer, network and process, ready to be sampled by any sampler that fits."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from PIL import Image
from torch import Tensor

from lightgen.asking import Labels, Texts, how_many, words
from lightgen.checkpoint import pack, write_folder
from lightgen.drawing import Drawing
from lightgen.editing import Edit, whole_pictures
from lightgen.for_each import listed
from lightgen.guidance.base import Guidance
from lightgen.inpainting import known_pixels, known_region
from lightgen.labels import LABEL
from lightgen.made import Pictures
from lightgen.placing import Layouts
from lightgen.progress import progress_bar
from lightgen.recipe import Recipe
from lightgen.references import Like
from lightgen.registry import Component
from lightgen.reranking import chosen_by
from lightgen.samplers.base import Sampler
from lightgen.types import Canvas, OnStep

if TYPE_CHECKING:
    from lightgen.scorers.base import Scorer

CHANGES = ("sampler", "steps", "temperature", "guidance")
"""What changes a recipe: see `Recipe.changed`."""


class Prior(Drawing, Component):
    """Everything that is needed to make pictures.

    Args:
        tokenizer: images to ids and back; frozen.
        network: noisy ids to logits.
        process: what the network was trained with.
        recipe: used where none is given.
        others: networks beside the first by the role that the process trains them in, e.g. a critic.

    Raises:
        ValueError: if the recipe or a network does not fit the process, or guidance the training.

    >>> prior = lightgen.load("zoo:icons64-sundae")
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

    def forward(self, num_images: int | None = None, **how: Any) -> Pictures:
        """Pictures of Pillow with what made them; a bar shows the steps on a terminal and in a notebook.

        Args:
            num_images, how: as `sample` takes it.

        Raises:
            ValueError: as `sample`.

        >>> made = lightgen.load("zoo:icons64-sundae")(2, steps=4, label="Flags", seed=7)
        >>> made.images[0].size, made.settings[0]["label"]
        ((64, 64), 2)
        """
        given = inspect.signature(self.sample).bind(num_images, **how)
        given.apply_defaults()
        rest = dict(given.arguments)
        rest |= rest.pop("others")
        told = (rest[name] for name in ("label", "text", "negative_text", "layout", *given.arguments["others"]))
        num_images = rest["num_images"] = how_many(num_images, listed(rest["like"]), *told)
        recipe = self.chosen(rest.pop("recipe"), **{name: rest.pop(name) for name in CHANGES})
        looking_on = rest.pop("on_step")
        steps = recipe.sampler.num_steps(self.layout(rest["canvas"]).num_tokens)
        with progress_bar(f"{num_images} pictures", steps * -(-num_images // rest["batch_size"]), "steps") as advance:

            def on_step(step: int, ids_BN: Tensor) -> None:
                advance(1)
                if looking_on is not None:
                    looking_on(step, ids_BN)

            tensor = self.sample(**rest, recipe=recipe, on_step=on_step)
        return Pictures(tensor, self.settings(recipe, **rest))

    def save_pretrained(self, folder: str | Path, half: bool = False) -> None:
        """Write the prior as a folder of safetensors and JSON, which `lightgen.load` reads, as `lightgen export` does.

        Args:
            folder: where to.
            half: keep float32 weights in float16.

        Raises:
            OSError: if it cannot be written.
            ValueError: if a weight is too large for float16.
        """
        write_folder(self, {**pack(self, ""), "config": None}, Path(folder), half)

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
        layout: Layouts = None,
        like: Like = None,
        sampler: Sampler | str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        guidance: Guidance | float | None = None,
        best_of: int = 1,
        judge: Scorer | str | None = None,
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
            layout: what is where: `[{"label": "cat", "box": [left, top, right, bottom]}, ...]` in shares of the
                picture, or `text` in place of `label`; a file of that; or a list with one such for each picture. A
                prior without the conditioner `Boxes` takes the texts for words of `text`, and paints with them.
            like: a picture that they shall be like, or a list; see `condition`, also for weights: `like=(image, 0.5)`.
            sampler, steps, temperature, guidance: what to change of the recipe: see `Recipe.changed`.
            best_of: draws of each picture, of which one is kept: see `lightgen.reranking`.
            judge: the scorer that chooses it, or the path of its checkpoint.
            others: other categories by name, e.g. `style="noto"`, as `label`; see `categories`.
            on_step: called after every step of each batch with its number, from 0 on, and the ids, which `decode`
                makes pictures of.

        Raises:
            ValueError: if a value is of another type or out of range, or the sampler does not fit the prior.

        >>> prior = lightgen.load("zoo:icons64-absorbing")
        >>> images = prior.sample(2, sampler="MaskGIT", steps=4, temperature=0.5, guidance=1, label=["Flags", 0])
        >>> lightgen.to_pil(images)[0].size
        (64, 64)
        """
        num_images = how_many(num_images, label, text, negative_text, layout, listed(like), *others.values())
        recipe = self.chosen(recipe, sampler=sampler, steps=steps, temperature=temperature, guidance=guidance)
        condition = self.condition(label, num_images, text=text, layout=layout, like=like, **others)
        away, best = self.negative(negative_text, num_images, recipe), chosen_by(best_of, judge)
        run = (num_images, recipe, seed, condition, away, batch_size, canvas, None, on_step, best)
        return torch.cat(list(self._pictures(*run)))

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
        layout: Layouts = None,
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
            recipe: None means the prior's own, without its guidance unless a text or a layout is given.
            seed, batch_size, canvas, text, negative_text, layout, like, others, on_step: see `sample`.
            label: see `sample`; None asks for no class.
            at: where on the canvas the picture's first row and column lie, in windows; None is the middle.
            margin: token cells around painted ones that are redrawn too, because the encoder looks over their borders.
            composite: whether to put the known pixels back, to the bit.
            sampler, steps, temperature, guidance: what to change of the recipe: see `Recipe.changed`.

        Raises:
            ValueError: as `sample`, or if picture and mask do not fit, or nothing or everything is known.

        >>> prior = lightgen.load("zoo:icons64-sundae")
        >>> image, mask = prior.sample(1)[0], torch.zeros(64, 64, dtype=torch.bool)
        >>> mask[16:48, 16:48] = True
        >>> prior.inpaint(image, mask, num_images=3, steps=4, composite=True).shape
        torch.Size([3, 3, 64, 64])
        """
        num_images = how_many(num_images, label, text, negative_text, layout, listed(like), *others.values())
        if mask is None and canvas is None:
            raise ValueError("without a canvas, a mask is needed")
        picture, pixels = known_pixels(image, mask, self.tokenizer.image_size, self.tokenizer.channels)
        known = known_region(self, picture, pixels, margin, canvas, at)
        recipe = self.chosen(
            self.unguided if (recipe, guidance, text, negative_text, layout) == (None,) * 5 else recipe,
            sampler=sampler, steps=steps, temperature=temperature, guidance=guidance,
        )  # fmt: skip
        asked = self.condition(label, num_images, text=text, layout=layout, like=like, **others)
        condition = asked or self.unconditional(num_images)
        away = self.negative(negative_text, num_images, recipe)
        pictures = self._pictures(num_images, recipe, seed, condition, away, batch_size, canvas, known, on_step)
        return torch.cat([known.composite(images) if composite else images for images in pictures])

    def edit(
        self,
        images: Tensor | Image.Image | Sequence[Image.Image],
        strength: float = 0.4,
        num_images: int | None = None,
        recipe: Recipe | None = None,
        seed: int = 0,
        label: Labels = None,
        batch_size: int = 64,
        *,
        text: Texts = None,
        negative_text: Texts = None,
        layout: Layouts = None,
        like: Like = None,
        sampler: Sampler | str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        guidance: Guidance | float | None = None,
        on_step: OnStep | None = None,
        **others: Labels,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W): whole pictures changed without a mask; number i is of picture i modulo P.

        A share of the tokens is destroyed as in training, and the sampler goes on from there, in about as large a share
        of its steps. Strength 0 gives the reconstruction, 1 what `sample` gives. Chang et al., 2023, "Muse", arXiv
        2301.00704, edit without a mask on tokens; Meng et al., 2021, "SDEdit", arXiv 2108.01073, start in between.

        Args:
            images: uint8 (P, C, H, W) or (C, H, W) of the prior's size, or one or several of Pillow's, which are
                resized and cropped as in training.
            strength: the share, in [0, 1].
            num_images: how many results; None makes one of each picture, or one for each text or label of a list.
            recipe: None means the prior's own, without its guidance unless something is asked for.
            seed, batch_size, text, negative_text, layout, like, others, on_step: see `sample`.
            label: see `sample`; None asks for no class.
            sampler, steps, temperature, guidance: what to change of the recipe: see `Recipe.changed`.

        Raises:
            ValueError: as `sample`, or if a picture does not fit, or the prior is autoregressive.

        >>> prior = lightgen.load("zoo:icons64-sundae")
        >>> images = prior.sample(1)
        >>> prior.edit(images, strength=0.3, label="Flags", num_images=2, seed=1).shape
        torch.Size([2, 3, 64, 64])
        """
        pictures = whole_pictures(images, self.tokenizer.image_size, self.tokenizer.channels)
        asked = (label, text, negative_text, layout, *others.values())
        num_images = (
            max(len(pictures), how_many(None, listed(like), *asked)) if num_images is None else how_many(num_images)
        )
        recipe = self.chosen(
            self.unguided if all(one is None for one in (recipe, guidance, like, *asked)) else recipe,
            sampler=sampler, steps=steps, temperature=temperature, guidance=guidance,
        )  # fmt: skip
        told = self.condition(label, num_images, text=text, layout=layout, like=like, **others)
        condition = told or self.unconditional(num_images)
        away = self.negative(negative_text, num_images, recipe)
        edit = Edit(self.encode(pictures.to(self.device)), strength)
        run = (num_images, recipe, seed, condition, away, batch_size, None, edit, on_step)
        return torch.cat(list(self._pictures(*run)))
