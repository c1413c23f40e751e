"""The arguments of a component as fields of a form, as the component itself declares them."""

from __future__ import annotations

import inspect
import re
import types
import typing
from dataclasses import dataclass
from typing import Any, Literal

from lightgen.registry import Component, components, find, kinds_of_arguments

NONE = "none"
"""The choice that stands for None."""


@dataclass(frozen=True)
class Option:
    """An argument."""

    name: str
    default: Any
    kind: Literal["flag", "whole", "number", "choice", "text"]
    choices: tuple[str, ...] = ()
    component: str = ""
    """The kind of component that a choice names."""
    about: str = ""


def options(cls: type[Component], without: tuple[str, ...] = ("steps",)) -> list[Option]:
    """What a component's constructor takes, in its order.

    Args:
        cls: its class.
        without: arguments that stand elsewhere.
    """
    hints = typing.get_type_hints(cls.__init__)
    kinds, said = kinds_of_arguments(cls), abouts(cls)
    found = []
    for name, parameter in inspect.signature(cls).parameters.items():
        if name in without or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        found.append(_option(name, parameter.default, hints.get(name), kinds.get(name, ()), said.get(name, "")))
    return found


def _option(name: str, default: Any, hint: Any, kinds: tuple[str, ...], about: str) -> Option:
    if kinds:
        names = tuple(c.__name__ for kind in kinds for c in components(kind))
        return Option(name, NONE, "choice", (NONE, *names), kinds[0], about)
    union = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
    parts = set(typing.get_args(hint) if union else (hint,)) - {type(None)}
    if parts == {bool}:
        return Option(name, default, "flag", about=about)
    if parts == {int}:
        return Option(name, default, "whole", about=about)
    if parts and parts <= {int, float}:
        return Option(name, default, "number", about=about)
    if typing.get_origin(hint) is Literal:
        return Option(name, default, "choice", tuple(map(str, typing.get_args(hint))), about=about)
    return Option(name, default, "text", about=about)


def given(cls: type[Component], values: dict[str, Any]) -> dict[str, Any]:
    """Arguments for a constructor, of the values in a form; what nobody filled in is left out.

    Raises:
        ValueError: if the component takes no such argument, or not such a value.
    """
    known = {option.name: option for option in options(cls)}
    if unknown := values.keys() - known.keys():
        raise ValueError(f"{cls.__name__} takes {', '.join(known) or 'no options'}, and no {min(unknown)}")
    return {name: _value(known[name], value) for name, value in values.items()}


def _value(option: Option, value: Any) -> Any:
    if value is None or (option.component and value == NONE):
        return None
    if option.component:
        return find(option.component, str(value))()
    if option.kind == "choice" and value not in option.choices:
        raise ValueError(f"{option.name} must be one of {', '.join(option.choices)}, not {value}")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (option.kind == "flag") is not isinstance(value, bool) or (option.kind in ("whole", "number") and not is_number):
        raise ValueError(f"{option.name} cannot be {value!r}")
    return int(value) if option.kind == "whole" else value


def abouts(cls: type[Component]) -> dict[str, str]:
    """What a docstring says of each argument."""
    section = (inspect.getdoc(cls) or "").partition("Args:\n")[2].partition("\n\n")[0]
    found: dict[str, str] = {}
    for match in re.finditer(r"^ {4}(\w[\w, ]*): (.+(?:\n {8}.+)*)", section, re.MULTILINE):
        for name in match[1].split(", "):
            found[name] = " ".join(match[2].split())
    return found
