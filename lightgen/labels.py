"""Values of categories, as the class or the style of a picture, by number or by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from lightgen.for_each import each
from lightgen.registry import suggestion

MOST_SHOWN = 20
"""Values that a message names, of many."""

LABEL = "label"
"""The category that people call the class."""

Label = int | str
"""A value of a category: its number, or its name where names are known."""

Categories = Mapping[str, Sequence[str]]
"""By name of a category, the names of its values by number."""


def class_number(label: Label, names: Sequence[str] | None, category: str = LABEL) -> int:
    """The number of a class, or of a value of another category.

    >>> class_number("Flags", ["Activities", "Flags"])
    1

    Args:
        label: the number itself, or a name.
        names: by number; None where nobody knows them.
        category: which one it is of.

    Raises:
        ValueError: if there is no such value; it names those that there are.
    """
    what = _word(category)
    if isinstance(label, str):
        if names is None:
            several = "classes" if category == LABEL else f"values of {category}"
            raise ValueError(f"no {what} is called {label!r}: this prior knows its {several} by number only")
        if label not in names:
            raise ValueError(f"no {what} is called {label!r}{suggestion(label, names)}")
        return list(names).index(label)
    if isinstance(label, bool) or not isinstance(label, int):
        raise ValueError(f"{category} must be the number or the name of a {what}, not {label!r}")
    if names is not None and not 0 <= label <= len(names):
        there = ", ".join(f"{number} {name}" for number, name in enumerate(names[:MOST_SHOWN]))
        more = f" and {len(names) - MOST_SHOWN} more" if len(names) > MOST_SHOWN else ""
        raise ValueError(f"{category} must be in [0, {len(names) - 1}], or {len(names)} for no {what}, not {label}; "
                         f"there are {there}{more}")  # fmt: skip
    return label


def class_name(number: int, names: Sequence[str] | None, category: str = LABEL) -> str:
    """What to call a class, or a value of another category.

    >>> class_name(1, ["Activities", "Flags"]), class_name(1, None), class_name(2, ["Activities", "Flags"])
    ('Flags', 'class 1', 'no class')

    Args:
        number: of it, in [0, C]; C is no class.
        names: C of them by number; None where nobody knows them.
        category: which one it is of.
    """
    if names is None:
        return f"{_word(category)} {number}"
    return names[number] if number < len(names) else f"no {_word(category)}"


def class_numbers(
    labels: Label | Sequence[Label] | Tensor, num: int, names: Sequence[str] | None, category: str = LABEL
) -> list[int]:
    """The class of each of `num` pictures, or its value of another category: one for all of them, or one for each.

    Raises:
        ValueError: if there is no such name, or there are not as many labels as pictures.
    """
    several = each(labels.tolist() if isinstance(labels, Tensor) else labels, num, category, _word(category))
    return [class_number(label, names, category) for label in several]


def _word(category: str) -> str:
    return "class" if category == LABEL else category
