"""The same pictures of the same seed over any two settings, side by side, for people: a PNG and a web page."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cached_property
from html import escape
from io import BytesIO
from itertools import product
from pathlib import Path
from string import Template
from typing import Any

import yaml
from PIL import Image, ImageDraw
from torch import Tensor

from lightgen.again import command
from lightgen.asking import LAYOUT, NEGATIVE_TEXT, words
from lightgen.figures import as_tensor, enlarged, font, grid
from lightgen.functional.embedded import chunk
from lightgen.functional.pictures import to_pil
from lightgen.made import Pictures
from lightgen.placing import in_few_words
from lightgen.prior import CHANGES, Prior
from lightgen.recipe import Recipe
from lightgen.registry import changed
from lightgen.settings import LIKENESS, PARTS
from lightgen.types import Canvas, OnStep

TEMPLATE = Path(__file__).with_name("crossing.html")
FONT_SIZE, LINE, MARGIN = 14, 20, 8
MOST = 400
"""Cells of a sheet."""


@dataclass(frozen=True)
class Axis:
    """A setting and its values, e.g. `steps` and 4, 8, 16.

    Args:
        name: `sampler`, `steps`, `temperature`, `guidance` (see `Recipe.changed`), an argument of a part of the recipe
            such as `sampler.update` or `warps.top_k`, `seed`, or what pictures are asked for, such as `label`.
        values: of it.
    """

    name: str
    values: tuple[Any, ...]

    @classmethod
    def read(cls, text: str) -> Axis:
        """An axis as it is typed: `steps=4,8,16`; in brackets, values may hold commas: `text=["a, b", c]`.

        Raises:
            ValueError: in one line, if it is anything else.
        """
        name, equals, rest = text.partition("=")
        name, rest = name.strip(), rest.strip()
        try:
            values = [_text(v) for v in yaml.safe_load(rest if rest.startswith("[") else f"[{rest}]")]
        except yaml.YAMLError:
            values = []
        if not (name and equals and values) or not all(isinstance(v, str | int | float | None) for v in values):
            raise ValueError(f"an axis is a setting and its values, as steps=4,8,16, not {text}")
        return cls(name, tuple(values))

    def label(self, value: Any) -> str:
        """What stands beside a row or above a column; words say themselves what they are."""
        return value if isinstance(value, str) else f"{self.name} {'none' if value is None else value}"


def _text(value: Any) -> Any:
    """A text with a colon as it was typed, which YAML takes for a pair: `flag: Japan`."""
    pair = list(value.items()) if isinstance(value, dict) else []
    return f"{pair[0][0]}: {pair[0][1]}" if len(pair) == 1 else value


@dataclass(frozen=True)
class Cell:
    """What is asked for in a place of the sheet."""

    recipe: Recipe
    told: dict[str, Any]
    """The other arguments of `Prior.sample` that differ."""
    evaluations: int
    """Of the network, of a picture, at most."""


@dataclass(frozen=True)
class Crossing:
    """A sheet: a column for each value of one setting, a row for each of another.

    Args:
        prior: whose pictures.
        recipe: of all cells, but for what the axes say.
        x, y: the axes.
        num_images: pictures in a cell.
        seed, batch_size, canvas: see `Prior.sample`.
        told: what all pictures are asked for, as `Prior.sample` takes it.

    Raises:
        ValueError: in one line, before any work, if the prior cannot do what a cell asks for.
    """

    prior: Prior
    recipe: Recipe
    x: Axis
    y: Axis
    num_images: int = 1
    seed: int = 0
    batch_size: int = 64
    canvas: Canvas | None = None
    told: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.x.name == self.y.name:
            raise ValueError(f"x and y must be two settings, not {self.x.name} twice")
        if len(self.x.values) * len(self.y.values) > MOST:
            raise ValueError(f"a sheet has {MOST} cells at most, not {len(self.x.values) * len(self.y.values)}")
        self.cells()

    def cells(self) -> list[Cell]:
        """Row by row."""
        return [self._cell({self.x.name: x, self.y.name: y}) for y, x in product(self.y.values, self.x.values)]

    def _cell(self, values: dict[str, Any]) -> Cell:
        prior, recipe, told = self.prior, self.recipe, {"seed": self.seed, **dict(self.told)}
        # A sampler is new before its steps are changed.
        for name in sorted(values, key=lambda name: (name not in PARTS, "." in name)):
            part, dot, argument = name.partition(".")
            if name in CHANGES:
                recipe = prior.chosen(recipe, **{name: values[name]})
            elif dot and part in PARTS:
                recipe = prior.chosen(recipe.replace(**{part: _changed(recipe, part, argument, values[name])}))
            elif name in ("seed", *self._names()):
                told[name] = values[name]
            else:
                there = ", ".join([*CHANGES, *(f"{part}.ARGUMENT" for part in PARTS), "seed", *self._names()])
                raise ValueError(f"no setting is called {name}; there are {there}")
        seed = told["seed"]
        if not isinstance(seed, int):
            raise ValueError(f"seed must be a whole number, not {seed!r}")
        asked = {name: value for name, value in told.items() if name not in ("seed", NEGATIVE_TEXT)}
        prior.condition(num_images=self.num_images, **asked)
        prior.negative(told.get(NEGATIVE_TEXT), self.num_images, recipe)
        return Cell(recipe, told, recipe.num_evaluations(prior.layout(self.canvas).num_tokens))

    def _names(self) -> list[str]:
        """What the prior can be asked for in words."""
        return [name for name in words(self.prior.network.conditioner) if name not in LIKENESS]

    @property
    def num_steps(self) -> int:
        """That `made` takes in all, of batches."""
        num_tokens = self.prior.layout(self.canvas).num_tokens
        steps = sum(cell.recipe.sampler.num_steps(num_tokens) for cell in self.cells())
        return steps * -(-self.num_images // self.batch_size)

    def made(self, on_step: OnStep | None = None) -> Sheet:
        """The pictures of all cells.

        Args:
            on_step: see `Prior.sample`.
        """
        common = {"num_images": self.num_images, "batch_size": self.batch_size, "canvas": self.canvas}
        found = []
        for cell in self.cells():
            images = self.prior.sample(recipe=cell.recipe, on_step=on_step, **common, **cell.told)  # type: ignore[arg-type]
            found.append(Pictures(images, self.prior.settings(cell.recipe, **common, **cell.told)))  # type: ignore[arg-type]
        return Sheet(self, found)


@dataclass(frozen=True)
class Sheet:
    """What a crossing made, cell by cell, row by row."""

    crossing: Crossing
    cells: list[Pictures]

    @property
    def title(self) -> str:
        """What all cells share."""
        crossing = self.crossing
        varied = {crossing.x.name, crossing.y.name}
        own = {"seed": crossing.seed, **dict(crossing.told)}
        if own.get(LAYOUT) is not None:
            own[LAYOUT] = in_few_words(own[LAYOUT])
        told = [f"{name} {value}" for name, value in own.items() if name not in varied and value is not None]
        told += [] if self._counts else [_counted(crossing.cells()[0].evaluations)]
        return ", ".join([str(crossing.prior.ckpt_path or "a prior"), *told])

    @cached_property
    def _counts(self) -> list[str]:
        """What stands below each cell: its evaluations, where they differ."""
        counts = [cell.evaluations for cell in self.crossing.cells()]
        return [*map(_counted, counts)] if len(set(counts)) > 1 else []

    def png(self) -> Tensor:
        """uint8 (3, H, W)."""
        x, y = self.crossing.x, self.crossing.y
        tiles = [_tile(cell.tensor) for cell in self.cells]
        height, width = tiles[0].height, tiles[0].width
        letters = font(FONT_SIZE)
        rows = [y.label(value) for value in y.values]
        left = max(int(letters.getlength(label)) for label in rows) + 2 * MARGIN
        step = (
            max(width, *(int(letters.getlength(x.label(v))) for v in x.values)) + MARGIN,
            height + (LINE if self._counts else 0) + MARGIN,
        )
        size = (left + step[0] * len(x.values), 2 * LINE + 2 * MARGIN + step[1] * len(y.values))
        canvas = Image.new("RGB", (max(size[0], int(letters.getlength(self.title)) + 2 * MARGIN), size[1]), "white")
        pen = ImageDraw.Draw(canvas)
        pen.text((MARGIN, MARGIN // 2), self.title, "black", letters)
        for column, value in enumerate(x.values):
            pen.text((left + column * step[0], LINE + MARGIN), x.label(value), "black", letters)
        for number, tile in enumerate(tiles):
            row, column = divmod(number, len(x.values))
            top, start = 2 * LINE + MARGIN + row * step[1], left + column * step[0]
            if column == 0:
                pen.text((MARGIN, top + height // 2 - FONT_SIZE), rows[row], "black", letters)
            canvas.paste(tile, (start, top))
            if self._counts:
                pen.text((start, top + height), self._counts[number], "grey", letters)
        return as_tensor(canvas)

    def html(self) -> str:
        """A web page of its own; each picture in it is a PNG with its settings, and says how to make it again."""
        return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(title=escape(self.title), table=self.table())

    def table(self) -> str:
        """The table of the page."""
        x, y = self.crossing.x, self.crossing.y
        head = "".join(f"<th scope=col>{escape(x.label(value))}</th>" for value in x.values)
        below = [f"<small>{count}</small>" for count in self._counts] or [""] * len(self.cells)
        body = []
        for row, value in enumerate(y.values):
            places = range(row * len(x.values), (row + 1) * len(x.values))
            cells = "".join(f"<td>{_pictures(self.cells[place])}{below[place]}</td>" for place in places)
            body.append(f"<tr><th scope=row>{escape(y.label(value))}</th>{cells}</tr>")
        return f"<table class=crossing><thead><tr><td></td>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def _counted(evaluations: int) -> str:
    return f"{evaluations} evaluation{'' if evaluations == 1 else 's'}"


def _changed(recipe: Recipe, part: str, argument: str, value: Any) -> Any:
    there = getattr(recipe, part)
    if there is None:
        raise ValueError(f"{part}.{argument} changes an argument, but there is no {part}")
    try:
        return changed(there, **{argument: value})
    except TypeError:
        raise ValueError(f"{part}.{argument} cannot be {value!r}") from None


def _tile(images: Tensor) -> Image.Image:
    """The pictures of a cell, in RGB."""
    return to_pil(grid(enlarged(images.cpu()))[None])[0].convert("RGB")


def _pictures(cell: Pictures) -> str:
    columns = -(-(len(cell) ** 0.5) // 1)
    shown = []
    for image, settings in zip(cell.images, cell.settings, strict=True):
        file = BytesIO()
        image.save(file, "PNG", pnginfo=chunk(settings))
        data = base64.b64encode(file.getvalue()).decode()
        how = escape(command(settings), quote=True)
        shown.append(f'<img src="data:image/png;base64,{data}" alt="picture {settings["index"]}" title="{how}">')
    return f'<div style="grid-template-columns:repeat({columns:.0f},1fr)">{"".join(shown)}</div>'
