"""The emoji sets of the npm package @iconify/json: which pictures there are, and what they show.

A set is a JSON file of SVG bodies by name, `package/json/SET.json` in the package. Some sets say which code points a
name stands for; the others share their names, or those of Unicode.
"""

from __future__ import annotations

import json
import re
import tarfile
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightgen.data.emoji import base_points

FREE = {
    "noto": "Apache-2.0", "noto-v1": "Apache-2.0", "fxemoji": "Apache-2.0", "twemoji": "CC-BY-4.0",
    "emojione": "CC-BY-4.0", "streamline-emojis": "CC-BY-4.0", "fluent-emoji": "MIT", "fluent-emoji-flat": "MIT",
}  # fmt: skip
"""Sets in colour, and the licence that each must have."""
SHARE_ALIKE = {"openmoji": "CC-BY-SA-4.0", "emojione-v1": "CC-BY-SA-4.0"}
"""Whoever passes these on, or what is made of them, does so under the same licence."""
GET = "`npm pack @iconify/json` gets it"
SHORT = frozenset(("at", "in", "no", "of", "on", "to", "up"))
"""Words of two letters in names that are written without hyphens."""
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
SVG = ('<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{size}" '
       'height="{size}" viewBox="{left} {top} {width} {height}">{body}</svg>')  # fmt: skip


@dataclass(frozen=True)
class Icon:
    """One picture.

    Args:
        style: the set.
        name: in the set, one of lower-case words with hyphens.
        captions: in plain words, the most usual first.
        group: of Unicode, e.g. "Food & Drink"; None where nobody knows the code points.
        codepoint: in hexadecimal, with hyphens, without skin tone and gender: what variants of all styles share.
        drawing: `body`, and the rest of Iconify's description.
    """

    style: str
    name: str
    captions: tuple[str, ...]
    group: str | None
    codepoint: str | None
    drawing: Mapping[str, Any]

    def svg(self, size: int) -> str:
        """The picture, to be drawn at a size."""
        box = {"left": 0, "top": 0, "width": 16, "height": 16}
        return SVG.format_map({**box, **self.drawing, "size": size})


def read_sets(source: Path, licences: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The sets of a package, by name, in the order of `licences`.

    Raises:
        ValueError: if it is no such package, or a set is there under another licence.
    """
    found: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(source, "r:*") as package:
            for member in package:
                name = re.fullmatch(r"package/json/(.+)\.json", member.name)
                stream = package.extractfile(member) if name and name[1] in licences else None
                if name and stream:
                    found[name[1]] = json.load(stream)
        licensed = {name: one["info"]["license"]["spdx"] for name, one in found.items()}
        bodies = [icon["body"] for one in found.values() for icon in one["icons"].values()]
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{source} cannot be read as the npm package @iconify/json "
                         f"({' '.join(str(error).split()) or type(error).__name__}); {GET}") from None  # fmt: skip
    if not bodies or not all(isinstance(body, str) for body in bodies):
        raise ValueError(f"{source} has none of the sets {', '.join(licences)}; {GET}")
    for style, licence in licensed.items():
        if licence != licences[style]:
            raise ValueError(f"the set {style} in {source} is under {licence}, and was under {licences[style]}")
    return {name: found[name] for name in licences if name in found}


def icons(sets: Mapping[str, Mapping[str, Any]]) -> Iterator[Icon]:
    """The different pictures of all sets; the names of equal ones become captions of the first."""
    names = Names(sets)
    for style, one in sets.items():
        size = {side: one[side] for side in ("left", "top", "width", "height") if side in one}
        alike: dict[str, list[str]] = {}
        for name, icon in one["icons"].items():
            if NAME.fullmatch(name) and not icon.get("hidden"):
                alike.setdefault(icon["body"], []).append(name)
        aliases: dict[str, list[str]] = {}
        for alias, what in one.get("aliases", {}).items():
            # Those of turned pictures show something else.
            if set(what) == {"parent"}:
                aliases.setdefault(what["parent"], []).append(alias)
        for same in alike.values():
            known = [points for points in map(names.points, same) if points is not None]
            called = [*same, *(alias for name in same for alias in aliases.get(name, ()))]
            captions = [names.usual[points] for points in known] + [names.words(name) for name in called]
            yield Icon(
                style, same[0], tuple(dict.fromkeys(captions)), names.groups.get(base(known[0])) if known else None,
                base(known[0]) if known else None, size | one["icons"][same[0]],
            )  # fmt: skip


def base(points: str) -> str:
    """Code points in hexadecimal, without what makes a variant."""
    return "-".join(f"{point:x}" for point in base_points(tuple(int(point, 16) for point in points.split("-"))))


class Names:
    """What the names of icons stand for, by those sets that say it, and by Unicode."""

    def __init__(self, sets: Mapping[str, Mapping[str, Any]]) -> None:
        self._points: dict[str, str] = {}
        self.usual: dict[str, str] = {}
        self.groups: dict[str, str] = {}
        said = [(points, name) for one in sets.values() for points, name in one.get("chars", {}).items()]
        for points, name in said:
            self._points.setdefault(glued(name), points)
        for alias, what in ((a, w) for one in sets.values() for a, w in one.get("aliases", {}).items()):
            if set(what) == {"parent"} and glued(what["parent"]) in self._points:
                self._points.setdefault(glued(alias), self._points[glued(what["parent"])])
        words = {word for _, name in said for word in name.split("-")}
        for points, _ in said:
            # A sign that is shown in colour has a selector behind it.
            single = points.removesuffix("-fe0f")
            if "-" not in single and (unicode := unicodedata.name(chr(int(single, 16)), "").lower()):
                self._points.setdefault(glued(unicode.replace(" ", "-")), points)
                words.update(unicode.replace("-", " ").split())
        self._vocabulary = {word for word in words if len(word) > 2 or word in SHORT}
        for points, name in said:
            self.usual.setdefault(points, self.words(name))
        for one in sets.values():
            if "chars" in one:
                for group, members in one.get("categories", {}).items():
                    for points in filter(None, map(self.points, members)):
                        self.groups.setdefault(base(points), group)

    def points(self, name: str) -> str | None:
        """The code points that a name stands for; None where nobody says."""
        tried = (name, re.sub(r"-\d$", "", name), f"flag-{name}")
        return next((self._points[one] for one in map(glued, tried) if one in self._points), None)

    def words(self, name: str) -> str:
        """A name in plain words: "waving hand" for `waving-hand`, `waving-hand-2` and `wavinghand`."""
        name = re.sub(r"^flag-for-(flag-)?", "flag-", re.sub(r"(?<=[a-z])-\d$", "", name))
        return " ".join(word for part in name.split("-") for word in self._split(part))

    def _split(self, part: str) -> Iterable[str]:
        """The fewest words of the sets that a string consists of; itself where it does not."""
        if part in self._vocabulary:
            return (part,)
        best: dict[int, tuple[str, ...]] = {0: ()}
        for end in range(1, len(part) + 1):
            ways = [(*best[start], part[start:end]) for start in best if part[start:end] in self._vocabulary]
            if ways:
                best[end] = min(ways, key=len)
        return best.get(len(part), (part,))


def glued(name: str) -> str:
    """A name without hyphens, as some sets have it."""
    return re.sub(r"^flag-for-(flag-)?", "flag-", name).replace("-", "")
