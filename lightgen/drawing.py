"""How a prior draws pictures of what it is asked for, batch by batch, and the settings of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lightgen.asking import (
    LAYOUT,
    LIKE,
    TEXT,
    Labels,
    Texts,
    condition_of,
    require_away,
    require_told,
    unweighed,
    whole,
)
from lightgen.assembly import Assembly, Beginning
from lightgen.checkpoint import digest
from lightgen.condition import Condition
from lightgen.editing import Edit
from lightgen.for_each import each
from lightgen.functional.likeness import NEIGHBOURS, PICTURE
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.labels import LABEL, class_numbers
from lightgen.placing import Layouts, contents
from lightgen.recipe import Recipe
from lightgen.references import Like, references
from lightgen.reranking import BestOf
from lightgen.settings import IN_MEMORY, LIKENESS, SAMPLE, WEIGHED, Settings, decided, own_acceleration, stamp
from lightgen.types import Canvas, OnStep


class Drawing(Assembly):
    """What `lightgen.prior.Prior` is called for, without the words of its arguments."""

    def condition(
        self,
        label: Labels = None,
        num_images: int = 1,
        *,
        text: Texts = None,
        layout: Layouts = None,
        like: Like = None,
        **others: Labels,
    ) -> Condition:
        """What pictures are asked for, all the same or each its own; None leaves it open.

        Args:
            label: a number or a name of `classes`, or one for each picture.
            num_images: B.
            text: what is to be seen, or one text for each picture.
            layout: boxes and what is in them, or a list with such a list for each picture: see `Prior.sample`.
            like: a picture that they shall be like, or one for each: uint8 (C, H, W) of the prior's size, or Pillow's,
                which is resized and cropped as in training.
            others: of each other category by its name, e.g. `style="noto"`, a number or one of its `categories`.

        Each but the layout may be a tuple of it and a weight, a float: 0 is as if it were not there, 1 is the same
        without a weight.

        Raises:
            ValueError: if the prior was trained without it, there is no such value, or a weight is below 0.
        """
        if like is not None:
            require_told(LIKE, like, self.network.conditioner)
        asked = {LABEL: label, TEXT: text, LAYOUT: layout, **others}
        cells = self.layout()
        grid = None if self.network.causal or not cells.is_grid else cells.grid
        found = condition_of(asked, num_images, self.network.conditioner, self.categories, grid)
        return found.update(references(self, like, num_images))

    def unconditional(self, num_images: int) -> Condition:
        """That nothing is asked for, where the prior was trained so; the rest is left open."""
        conditioner = self.network.conditioner
        drawn = self.completed(None, Noise.of(0, num_images, device=self.device)).to("cpu")
        names = [] if conditioner is None else [name for name in drawn.tensors if conditioner.hides([name])]
        everywhere = torch.ones(num_images, dtype=torch.bool)
        return drawn.keep(names).hide(*names, rows=everywhere) if names else Condition()

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

    @property
    def unguided(self) -> Recipe:
        """The prior's own recipe, without guidance."""
        return self.recipe.replace(guidance=None)

    def settings(
        self,
        recipe: Recipe,
        num_images: int = 1,
        seed: int = 0,
        batch_size: int = 64,
        canvas: Canvas | None = None,
        **told: Any,
    ) -> list[Settings]:
        """What makes each picture, as plain data: see `lightgen.settings`.

        Args:
            recipe: as `chosen` gives it.
            num_images, seed, batch_size, canvas: see `sample`.
            told: what pictures are asked for, as `sample` takes it.
        """
        told, apart = _without_names(self, told, num_images)
        told = {name: value.tolist() if isinstance(value, Tensor) else value for name, value in told.items()}
        if told.get(LABEL) is not None:
            told[LABEL] = class_numbers(told[LABEL], num_images, self.classes)
        if (judge := told.pop("judge", None)) is None:
            told.pop("best_of", None)
        else:
            told["judge"] = judge if isinstance(judge, str) else getattr(judge, "ckpt_path", None)
        told = {name: value for name, value in told.items() if name == LABEL or value is not None}
        if LAYOUT in told:
            told[LAYOUT] = [json.dumps(boxes) for boxes in contents(told[LAYOUT], num_images)]
        common = decided(self, recipe, seed, canvas, **told)
        made = stamp(SAMPLE, self.ckpt_path, num_images, batch_size, own_acceleration(self), common)
        values = {name: each(value, num_images, name, "value") for name, value in told.items()}
        each_told = [{name: of[i] for name, of in values.items()} for i in range(num_images)]
        return [{**made, **own, **apart[i], "index": i} for i, own in enumerate(each_told)]

    def _pictures(
        self,
        num_images: int,
        recipe: Recipe,
        seed: int,
        condition: Condition,
        negative: Condition,
        batch_size: int,
        canvas: Canvas | None,
        given: KnownRegion | Edit | None,
        on_step: OnStep | None,
        best: BestOf | None = None,
    ) -> Iterator[Tensor]:
        """uint8 images (b, C, H, W), batch by batch."""
        batch_size = whole("batch_size", batch_size)
        for first in range(0, num_images, batch_size):
            rows = torch.arange(first, min(first + batch_size, num_images))
            noise = Noise(seed, rows.to(self.device))
            begun = Beginning() if given is None else given.begin(self, noise)
            told, away = condition.select(rows), negative.select(rows)
            if best is not None:
                noise, told, away = best.begin(self.completed, noise, told, away)
            sample = self.sample_ids(noise, recipe, told, begun.ids, begun.known, on_step, canvas, away, begun.start)
            images = self.decode(sample.ids, canvas)
            yield images if best is None else images[best.best(images, told, self.categories)]


def _without_names(prior: Drawing, told: dict[str, Any], num_images: int) -> tuple[dict[str, Any], list[Settings]]:
    """What options say of what pictures are asked for, and of each picture what they do not: see `IN_MEMORY`."""
    memory: dict[str, Tensor] = {}
    if told.get(LIKE) is not None:
        memory[LIKE] = references(prior, told[LIKE], num_images).tensors[PICTURE]
    if told.get(NEIGHBOURS) is not None:
        memory[NEIGHBOURS] = told[NEIGHBOURS]
    pairs = {name: unweighed(given, num_images) for name, given in told.items()}
    weights = {name: weight.tolist() for name, (_, weight) in pairs.items() if weight is not None}
    apart = [
        {
            IN_MEMORY: {name: digest(ids[i]) for name, ids in memory.items()},
            WEIGHED: {name: several[i] for name, several in weights.items() if several[i] != 1},
        }
        for i in range(num_images)
    ]
    plain = {name: given for name, (given, _) in pairs.items() if name not in LIKENESS}
    return plain, [{name: values for name, values in one.items() if values} for one in apart]
