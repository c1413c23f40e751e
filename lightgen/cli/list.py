"""`lightgen list`: what there is to choose from."""

from __future__ import annotations

from itertools import groupby

from lightgen import zoo
from lightgen.cli.plain import PlainParser
from lightgen.importers.base import Importer
from lightgen.registry import Component, components

ZOO = "zoo"


def main(args: list[str]) -> int:
    """Print every component, or those of one kind."""
    kinds = sorted({c.kind for c in components()})
    parser = PlainParser(prog="lightgen list", description="Every component that a config can name.")
    parser.add_argument("kind", nargs="?", help=f"one of {', '.join(kinds)}; all if not given; or {ZOO}")
    kind = parser.parse_args(args[1:]).kind
    if kind == ZOO:
        return list_zoo()
    if kind is not None and kind not in kinds:
        raise ValueError(f"no kind {kind!r}; there are {', '.join([*kinds, ZOO])}")
    for name, members in groupby(components(kind), key=lambda c: c.kind):
        print(name)
        for component in members:
            about = "; ".join(filter(None, (_noise(component), component.source)))
            print(f"  {_name(component):<20}  {summary(component)}")
            if about:
                print(f"  {'':<20}  ({about})")
    return 0


def list_zoo() -> int:
    """Print the trained models that ship with lightgen."""
    for name in zoo.names():
        print(f"  {zoo.PREFIX + name:<26}  {zoo.card(name)['about']}")
    return 0


def summary(component: type[Component]) -> str:
    """The first line of what it says of itself."""
    return (component.__doc__ or "").strip().split("\n")[0]


def _name(component: type[Component]) -> str:
    """What chooses it: its class name, or the kind of weights that an importer reads."""
    return component.name if issubclass(component, Importer) else component.__name__


def _noise(component: type[Component]) -> str:
    families = set(getattr(component, "accepts", ()))
    if hasattr(component, "family"):
        families.add(component.family)
    return f"{', '.join(sorted(f.value for f in families))} noise" if families else ""
