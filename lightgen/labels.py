"""Classes by number or by name."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from lightgen.registry import suggestion

MOST_SHOWN = 20
"""Classes that a message names, of many."""

Label = int | str
"""A class: its number, or its name where names are known."""


def class_number(label: Label, classes: Sequence[str] | None) -> int:
    """The number of a class.

    >>> class_number("Flags", ["Activities", "Flags"])
    1

    Args:
        label: the number itself, or a name.
        classes: names by number; None where nobody knows them.

    Raises:
        ValueError: if there is no such class; it names those that there are.
    """
    if isinstance(label, str):
        if classes is None:
            raise ValueError(f"no class is called {label!r}: this prior knows its classes by number only")
        if label not in classes:
            raise ValueError(f"no class is called {label!r}{suggestion(label, classes)}")
        return list(classes).index(label)
    if isinstance(label, bool) or not isinstance(label, int):
        raise ValueError(f"label must be the number or the name of a class, not {label!r}")
    if classes is not None and not 0 <= label <= len(classes):
        there = ", ".join(f"{number} {name}" for number, name in enumerate(classes[:MOST_SHOWN]))
        more = f" and {len(classes) - MOST_SHOWN} more" if len(classes) > MOST_SHOWN else ""
        raise ValueError(f"label must be in [0, {len(classes) - 1}], or {len(classes)} for no class, not {label}; "
                         f"there are {there}{more}")  # fmt: skip
    return label


def class_name(number: int, classes: Sequence[str] | None) -> str:
    """What to call a class.

    >>> class_name(1, ["Activities", "Flags"]), class_name(1, None), class_name(2, ["Activities", "Flags"])
    ('Flags', 'class 1', 'no class')

    Args:
        number: of it, in [0, C]; C is no class.
        classes: C names by number; None where nobody knows them.
    """
    if classes is None:
        return f"class {number}"
    return classes[number] if number < len(classes) else "no class"


def class_numbers(labels: Label | Sequence[Label] | Tensor, num: int, classes: Sequence[str] | None) -> list[int]:
    """The class of each of `num` pictures: one for all of them, or one for each.

    Raises:
        ValueError: if there is no such name, or there are not as many labels as pictures.
    """
    if isinstance(labels, Tensor):
        labels = labels.tolist()
    if not isinstance(labels, (list, tuple)):
        return [class_number(labels, classes)] * num  # type: ignore[arg-type]
    if len(labels) != num:
        raise ValueError(f"label must be one class, or one for each of {num} pictures, not {len(labels)}")
    return [class_number(label, classes) for label in labels]
