"""What people ask a prior for, in their words, as a condition: `text="a red heart", style="noto", label="Flags"`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lightgen import placing
from lightgen.condition import Condition
from lightgen.conditioners.base import Conditioner
from lightgen.conditioners.text import PAINTED
from lightgen.for_each import each, is_weighed, listed
from lightgen.functional.boxes import BOX_TEXTS, BOXES
from lightgen.functional.likeness import PICTURE
from lightgen.functional.text import CAPTION, LONGEST, to_bytes, to_texts
from lightgen.guidance.base import Guidance
from lightgen.labels import LABEL, Categories, Label, class_name, class_numbers
from lightgen.placing import placed
from lightgen.types import Canvas, Grid

TEXT, NEGATIVE_TEXT, LAYOUT, LIKE = "text", "negative_text", "layout", "like"
WORDS = {CAPTION: TEXT, BOXES: LAYOUT, PICTURE: LIKE}
"""What people call a condition that has another name."""

Labels = Label | tuple[Label, float] | Sequence[Label | tuple[Label, float]] | Tensor | None
Texts = str | tuple[str, float] | Sequence[str | tuple[str, float]] | None
"""One for all pictures, or one for each; None leaves it open. A tuple with a float behind is one with its weight."""


def condition_of(
    asked: Mapping[str, Any],
    num_images: int,
    conditioner: Conditioner | None,
    categories: Categories,
    grid: Grid | None = None,
) -> Condition:
    """What pictures are asked for, as a network is told.

    Args:
        asked: by name, of which None leaves it open: a `text`, or a number or name of a category, such as `label`; one
            for all pictures, or one for each, each alone or as a tuple with its weight behind; a `layout`, likewise but
            without one. Any other condition is a tensor with a row for each.
        num_images: B.
        conditioner: of the network.
        categories: names of the values of each.
        grid: of the cells that can be painted with words; None where there are none.

    Raises:
        ValueError: in one line, if the prior was trained without such a condition, or there is no such value.
    """
    tensors: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for name, several in asked.items():
        if several is None:
            continue
        require_told(name, several, conditioner)
        given, weight = unweighed(several, num_images)
        if weight is not None:
            weights[CAPTION if name == TEXT else name] = weight
        if name == TEXT:
            tensors[CAPTION] = torch.from_numpy(to_bytes(texts(each(given, num_images, TEXT, TEXT))))
        elif name == LAYOUT:
            assert conditioner is not None
            said = asked.get(TEXT)
            said = None if said is None else each(unweighed(said, num_images)[0], num_images, TEXT, TEXT)
            tensors |= placed(given, num_images, conditioner, categories.get(BOXES), grid, said)
        elif isinstance(given, Tensor) and (given.ndim != 1 or given.is_floating_point()):
            tensors[name] = given
        else:
            tensors[name] = torch.tensor(class_numbers(given, num_images, categories.get(name), name))
    return Condition(tensors, weights=weights)


def unweighed(given: Any, num_images: int) -> tuple[Any, Tensor | None]:
    """What is given for B pictures without the weights, and these, (B,), or None where there is none.

    >>> unweighed(("a fox", 0.5), 2)
    ('a fox', tensor([0.5000, 0.5000]))

    Raises:
        ValueError: if one is below 0, or not finite.
    """
    several = listed(given) or [given]
    if not any(map(is_weighed, several)):
        return given, None
    pairs = [one if is_weighed(one) else (one, 1.0) for one in several]
    for _, weight in pairs:
        if not 0 <= weight < math.inf:
            raise ValueError(f"a weight must be at least 0, not {weight}")
    values, weights = [value for value, _ in pairs], torch.tensor([weight for _, weight in pairs])
    return (values, weights) if several is given else (values[0], weights.expand(num_images))


def in_words(condition: Condition, categories: Categories) -> list[dict[str, str]]:
    """What each row asks for, as far as people can read it: texts, and values of categories by name."""
    rows: list[dict[str, str]] = [{} for _ in range(len(condition))]
    for name, tensor in condition.tensors.items():
        hidden = condition.hidden.get(name, torch.zeros(len(tensor), dtype=torch.bool)).tolist()
        if name == CAPTION and tensor.dtype == torch.uint8:
            said, word = to_texts(tensor.cpu().numpy()), TEXT
        elif name == BOXES:
            said, word = placing.said(tensor, condition.tensors.get(BOX_TEXTS), categories.get(BOXES)), LAYOUT
        elif tensor.ndim == 1 and tensor.dtype == torch.int64:
            said, word = [class_name(number, categories.get(name), name) for number in tensor.tolist()], name
        else:
            continue
        for row, value, is_hidden in zip(rows, said, hidden, strict=True):
            row |= {} if is_hidden else {word: value}
    return rows


def words(conditioner: Conditioner | None) -> list[str]:
    """What a prior can be asked for, in the words of `condition_of`."""
    names = () if conditioner is None else conditioner.names
    return [WORDS.get(name, name) for name in names if name not in (PAINTED, BOX_TEXTS)]


def require_told(name: str, given: Any, conditioner: Conditioner | None) -> None:
    """Refuse what a prior was not trained with.

    Raises:
        ValueError: names what it was trained with.
    """
    paints = name == LAYOUT and conditioner is not None and PAINTED in conditioner.names
    if name in (there := words(conditioner)) or paints:
        return
    without, said = "classes" if name == LABEL else name, f" {given}" if isinstance(given, int) else ""
    knows = f"; it knows {', '.join(there)}" if there else ""
    raise ValueError(f"{name}{said} was given, but this prior was trained without {without}{knows}")


def texts(given: list[Any]) -> list[str]:
    """Texts that say something; those that are too long are counted.

    Raises:
        ValueError: if one is anything else.
    """
    for text in given:
        if not isinstance(text, str):
            raise ValueError(f"{TEXT} must be a text, or a list of them, not {text!r}")
        if not text.strip():
            raise ValueError(f"{TEXT} must say something, not {text!r}; leave it out to ask for nothing")
    if too_long := sum(len(" ".join(text.split()).encode(errors="replace")) > LONGEST for text in set(given)):
        warnings.warn(
            f"{too_long} of {len(set(given))} texts are longer than {LONGEST} bytes, and are cut there", stacklevel=4
        )
    return given


def require_away(*several: Guidance | None) -> None:
    """Refuse a negative text that no branch of any guidance would be told.

    Raises:
        ValueError: in one line.
    """
    if not any(branch.hidden for guidance in several if guidance is not None for branch in guidance.branches):
        raise ValueError(f"{NEGATIVE_TEXT} is what guidance goes away from, and there is none; give it a scale above 1")


def how_many(num_images: int | None, *given: Any) -> int:
    """How many pictures are asked for: the number, or as many as a list is long, or one.

    Raises:
        ValueError: if it is no number of at least 1.
    """
    if num_images is None:
        lists = (one if isinstance(one, Tensor) and one.ndim > 0 else listed(one) for one in given)
        return max((len(one) for one in lists if one is not None), default=1)
    return whole("num_images", num_images)


def whole(name: str, value: int) -> int:
    """A number of at least 1.

    Raises:
        ValueError: if it is anything else.
    """
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    return value


def require_one_window(condition: Condition, canvas: Canvas | None) -> None:
    """Refuse a layout on a larger canvas, of which every window would be told it.

    Raises:
        ValueError: in one line.
    """
    if canvas is not None and {BOXES, PAINTED} & condition.tensors.keys():
        raise ValueError("a layout says what is where in a picture of the size in training; leave out the canvas")
