"""`lightgen list`: what there is to choose from."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from itertools import groupby

from lightgen import pretrained as zoo
from lightgen.cli.catalogue import Entry, catalogue, families
from lightgen.cli.plain import PlainParser
from lightgen.registry import suggestion

ZOO = "zoo"
SAMPLER = "sampler"
GROUPS = {
    "to sample": (SAMPLER, "remasking", "order", "schedule", "warps", "guidance", "recipe"),
    "a prior": ("process", "network", "resampler", "conditioner", "text encoder", "interface", "layout", "prior"),
    "a tokenizer": ("tokenizer", "quantizer", "loss", "perceptual", "adversarial", "discriminator", "objective",
                    "regulariser", "augmentation", "health"),
    "a scorer": ("scorer", "image encoder"),
    "to train and to score": ("data", "module", "protocol", "features", "classifier", "score", "importer"),
}  # fmt: skip
"""Kinds in the order in which they are shown; those of plug-ins come last."""
FITS = (
    "A sampler fits every prior that was trained with a noise it accepts. "
    "`lightgen list sampler --table` shows what each costs; `lightgen sample --sampler.help NAME` its arguments."
)


def main(args: list[str]) -> int:
    """Print every component, or those of one kind."""
    parser = PlainParser(prog="lightgen list", description="Every component that a config can name.")
    parser.add_argument("kind", nargs="?", help=f"a kind, e.g. {SAMPLER}; all if not given; or {ZOO}")
    parser.add_argument("--table", action="store_true", help="samplers as a table of markdown: cost, and what they can")
    parsed = parser.parse_args(args[1:])
    kind = parsed.kind
    if kind == ZOO:
        return list_zoo()
    entries = catalogue()
    kinds = sorted({entry.kind for entry in entries})
    if kind is not None and kind not in kinds:
        raise ValueError(f"no kind {kind!r}{suggestion(kind, [*kinds, ZOO])}")
    if parsed.table:
        if kind != SAMPLER:
            raise ValueError(f"--table is for samplers: lightgen list {SAMPLER} --table")
        print("\n".join(table(entries)))
        return 0
    if kind is not None:
        show(entry for entry in entries if entry.kind == kind)
        print()
    else:
        for title, members in grouped(kinds).items():
            print(f"{bold(title.upper())}\n")
            for member in members:
                show(entry for entry in entries if entry.kind == member)
            print()
    if kind in (None, SAMPLER):
        print(FITS)
    return 0


def grouped(kinds: Iterable[str]) -> dict[str, list[str]]:
    """Kinds by what they are for."""
    left = set(kinds)
    groups = {title: [kind for kind in members if kind in left] for title, members in GROUPS.items()}
    others = sorted(left.difference(*groups.values()))
    return {**groups, "others": others} if others else groups


def show(entries: Iterable[Entry]) -> None:
    """Print components of a kind; samplers and processes by their noise."""
    order = list(families().values())
    for kind, members in groupby(entries, key=lambda entry: entry.kind):
        print(bold(kind))
        for entry in sorted(members, key=lambda e: ([order.index(f) for f in e.families], e.cls)):
            noise = f"{', '.join(entry.families)} noise" if entry.families else ""
            about = "; ".join(filter(None, (noise, entry.source)))
            print(f"  {entry.chosen_by:<20}  {entry.summary}")
            if about:
                print(f"  {'':<20}  ({about})")


def bold(text: str) -> str:
    """A heading, where somebody looks at it."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def table(entries: Iterable[Entry]) -> list[str]:
    """The lines of the table of samplers, by the noise that they accept."""
    order = list(families().values())

    def noise(sampler: Entry) -> str:
        needs = sampler.about["needs"]
        return ", ".join(sampler.families) + (f", with a {' and a '.join(needs)}" if needs else "")

    found = [entry for entry in entries if entry.kind == SAMPLER]
    found.sort(key=lambda s: (order.index(s.families[0]), len(s.families), s.cls))
    head = ("sampler", "noise", "NFE in S steps", "revises a token", "exact with a perfect network", "source")
    lines = [
        (f"`{s.cls}`", noise(s), s.about["nfe"], s.about["revises"], s.about["exact"], _papers(s.source)) for s in found
    ]
    return ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *lines)]


def _papers(source: str) -> str:
    """Only the papers' numbers, where there are some."""
    return "arXiv " + ", ".join(numbers) if (numbers := re.findall(r"arXiv (\S+?)[;,]?(?=\s|$)", source)) else source


def list_zoo() -> int:
    """Print the trained models that ship with lightgen."""
    for name in zoo.names():
        print(f"  {zoo.PREFIX + name:<26}  {zoo.card(name)['about']}")
    return 0
