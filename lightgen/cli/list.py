"""`lightgen list`: what there is to choose from."""

from __future__ import annotations

import re
from itertools import groupby

from lightgen import pretrained as zoo
from lightgen.cli.plain import PlainParser
from lightgen.importers.base import Importer
from lightgen.registry import Component, components
from lightgen.samplers.base import Sampler
from lightgen.types import NoiseFamily

ZOO = "zoo"


def main(args: list[str]) -> int:
    """Print every component, or those of one kind."""
    kinds = sorted({c.kind for c in components()})
    parser = PlainParser(prog="lightgen list", description="Every component that a config can name.")
    parser.add_argument("kind", nargs="?", help=f"one of {', '.join(kinds)}; all if not given; or {ZOO}")
    parser.add_argument("--table", action="store_true", help="samplers as a table of markdown: cost, and what they can")
    parsed = parser.parse_args(args[1:])
    kind = parsed.kind
    if kind == ZOO:
        return list_zoo()
    if kind is not None and kind not in kinds:
        raise ValueError(f"no kind {kind!r}; there are {', '.join([*kinds, ZOO])}")
    if parsed.table:
        if kind != Sampler.kind:
            raise ValueError(f"--table is for samplers: lightgen list {Sampler.kind} --table")
        print("\n".join(table()))
        return 0
    for name, members in groupby(components(kind), key=lambda c: c.kind):
        print(name)
        for component in members:
            about = "; ".join(filter(None, (_noise(component), component.source)))
            print(f"  {_name(component):<20}  {summary(component)}")
            if about:
                print(f"  {'':<20}  ({about})")
    return 0


def table() -> list[str]:
    """The lines of the table of samplers, by the noise that they accept."""
    families = list(NoiseFamily)

    def noise(sampler: type[Sampler]) -> str:
        needs = f", with a {' and a '.join(sampler.needs)}" if sampler.needs else ""
        return ", ".join(family.value for family in families if family in sampler.accepts) + needs

    found: list[type[Sampler]] = [c for c in components(Sampler.kind) if issubclass(c, Sampler)]
    found.sort(key=lambda s: (min(families.index(f) for f in s.accepts), len(s.accepts), s.__name__))
    head = ("sampler", "noise", "NFE in S steps", "revises a token", "exact with a perfect network", "source")
    lines = [(f"`{s.__name__}`", noise(s), s.nfe, s.revises, s.exact, _papers(s.source)) for s in found]
    return ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *lines)]


def _papers(source: str) -> str:
    """Only the papers' numbers, where there are some."""
    return "arXiv " + ", ".join(numbers) if (numbers := re.findall(r"arXiv (\S+?)[;,]?(?=\s|$)", source)) else source


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
