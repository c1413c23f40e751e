"""What is given for pictures: one thing for all of them, or one for each, which may have its weight behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def listed(given: Any) -> Sequence[Any] | None:
    """A list with one for each picture; None where one is for all, as a thing with its weight or a layout's boxes.

    >>> listed(["a fox", "a cat"]), listed(("a fox", 0.5)), listed("a fox")
    (['a fox', 'a cat'], None, None)
    """
    several = isinstance(given, (list, tuple)) and bool(given) and not is_weighed(given)
    return given if several and not any(isinstance(part, dict) for part in given) else None


def is_weighed(given: Any) -> bool:
    """Whether something stands with its weight: a tuple of it and a float."""
    return isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], float)


def each(given: Any, num: int, name: str, what: str) -> list[Any]:
    """What each of `num` pictures is given: the same, or its own of a list.

    Args:
        given: of one, or a list of them.
        num: pictures.
        name: how an error calls the list.
        what: how it calls one.

    Raises:
        ValueError: if there are not as many as pictures.
    """
    if not isinstance(given, (list, tuple)):
        return [given] * num
    if len(given) != num:
        raise ValueError(f"{name} must be one {what}, or one for each of {num} pictures, not {len(given)}")
    return list(given)
