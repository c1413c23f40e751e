"""Options of what pictures are asked for: texts, classes, and one named as each other category of the prior.

Which categories there are only the checkpoint knows. So what no option of a command takes, as `--style noto`, is kept
until that is read.
"""

from __future__ import annotations

import itertools
import json
import re
import warnings
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from lightgen.asking import LAYOUT, NEGATIVE_TEXT, TEXT, require_told, words
from lightgen.cascade import joined_categories
from lightgen.cli.meant import meant, nearest
from lightgen.cli.parser import Parser
from lightgen.cli.turns import Turns
from lightgen.functional.boxes import read_boxes
from lightgen.labels import LABEL
from lightgen.prior import Prior
from lightgen.settings import LIKENESS, SAMPLE

PROMPTS = "prompts"
OWN = (TEXT, PROMPTS, NEGATIVE_TEXT, LAYOUT, LABEL)
ELSEWHERE = ("trainer",)
"""Options that a parser has only when it is needed."""


def add_options(made: Parser, open_label: str) -> None:
    """For help and completion; what they are given is read by `Asked`."""
    several = "each in quotes"
    made.add_argument(f"--{TEXT}", type=str | None, help=f"what is to be seen, one or several, {several}")
    made.add_argument(f"--{PROMPTS}", type=Path | None, help="a file with a text on each line")
    made.add_argument(f"--{NEGATIVE_TEXT}", type=str | None, help="what guidance goes away from, in place of nothing")
    made.add_argument(f"--{LAYOUT}", type=Path | None, help="a JSON file of boxes and what is in each (docs/data.md)")
    made.add_argument(
        f"--{LABEL}", type=int | str | None, default=None,
        help=f"class, by number or name, one or several; {open_label}; other categories of the prior alike, as --style "
        "noto",
    )  # fmt: skip


class Asked:
    """What a command line asks for, and what is left of it.

    Args:
        arguments: the command line, with configs as texts.
        options: that its parser has, as `--name`.
        all_options: those too that it has only when they are needed.

    Raises:
        ValueError: if an option lacks its value.
    """

    def __init__(
        self, arguments: Sequence[str], options: Collection[str], all_options: Callable[[], Collection[str]]
    ) -> None:
        self.options, self.all_options = options, all_options
        self.rest: list[str] = []
        """What is for the other options."""
        self.values: dict[str, list[Any]] = {}
        """By name, all that stand behind an option, however often it comes."""
        configured: dict[str, list[Any]] = {}
        left = list(arguments)
        while left:
            option, equals, value = left.pop(0).partition("=")
            name = option.removeprefix("--")
            if option == "--config":
                config = yaml.safe_load(value or left.pop(0)) or {}
                configured |= self._taken(config)
                self.rest += [option, yaml.safe_dump(config)]
            elif not option.startswith("--") or not self._is_ours(name):
                self.rest.append(option + equals + value)
            else:
                given = [value] if equals else list(itertools.takewhile(lambda word: not word.startswith("--"), left))
                left = left if equals else left[len(given) :]
                if given:
                    self.values[name] = [*self.values.get(name, []), *given]
                elif name in OWN:
                    raise ValueError(f"{option} needs a value")
                else:
                    self.rest.append(option)
        self.values = {**configured, **self.values}

    @property
    def negative_text(self) -> str | None:
        """What guidance goes away from.

        Raises:
            ValueError: if there are several.
        """
        several = self.values.get(NEGATIVE_TEXT, [None])
        if len(several) > 1:
            raise ValueError(f"--{NEGATIVE_TEXT} takes one text, in quotes, not {len(several)}")
        return several[0]

    @property
    def others(self) -> list[str]:
        """Names that are categories of the prior, or mistakes."""
        return [name for name in self.values if name not in OWN]

    def turns(self, priors: Sequence[Prior]) -> Turns:
        """Every text with every value of every category, texts slowest; one of nothing, if nothing is asked for.

        Args:
            priors: one, or several in a row, of which the first that knows a category says what its values are called.

        Raises:
            ValueError: in one line, if no prior has such a category, or a file of texts is not there.
        """
        knowing: dict[str, Prior] = {}
        for prior in priors:
            knowing = dict.fromkeys(words(prior.network.conditioner), prior) | knowing
        there = list(knowing)
        layouts = [json.dumps(_boxes(one)) for one in self.values.get(LAYOUT, []) if one is not None]
        values = {TEXT: self._texts(), LAYOUT: layouts, LABEL: self.values.get(LABEL, [])}
        for name in self.others:
            if name in LIKENESS:
                raise ValueError(f"--{name} is an option of `lightgen {SAMPLE}` alone")
            if name not in there:
                raise ValueError(self.no_option(name, there))
        values |= {name: self.values[name] for name in there if name in self.others}
        found: dict[str, list[Any]] = {}
        for name, several in values.items():
            prior = knowing.get(name, priors[0])
            names = prior.categories.get(name, ())
            if told := [
                one if name in (TEXT, LAYOUT) else _value(one, names) for one in several if one not in (None, "null")
            ]:
                require_told(name, told[0], prior.network.conditioner)
                found[name] = told
        rows = [dict(zip(found, one, strict=True)) for one in itertools.product(*found.values())]
        return Turns(rows, joined_categories(priors))

    def no_option(self, name: str, there: Sequence[str]) -> str:
        """What to say of an option that is neither one of the command nor among the words that a prior knows."""
        near = nearest(f"--{name}", [f"--{word}" for word in there])
        said = meant([f"--{name}", *map(str, self.values[name])], [near] if near else self.all_options())
        return said if "did you mean" in said else f"{said}, and this prior knows {', '.join(there) or 'no condition'}"

    def _texts(self) -> list[Any]:
        texts = self.values.get(TEXT, [])
        for text in texts:
            if str(text).endswith(".txt") and Path(text).is_file():
                raise ValueError(f"--{TEXT} takes texts, and {text} is a file: --{PROMPTS} {text} takes its lines")
        return [*texts, *(line for path in self.values.get(PROMPTS, []) for line in read_prompts(Path(path)))]

    def _is_ours(self, name: str) -> bool:
        unknown = name.isidentifier() and f"--{name}" not in self.options and name not in ELSEWHERE
        return name in OWN or unknown

    def _taken(self, config: dict[str, Any]) -> dict[str, list[Any]]:
        """What a config asks for, which is removed from it."""
        ours = [name for name in config if self._is_ours(str(name)) and not isinstance(config[name], dict)]
        given = {name: config.pop(name) for name in ours}
        return {name: value if isinstance(value, list) else [value] for name, value in given.items()}


def _boxes(given: Any) -> list[Any]:
    if not isinstance(given, str):
        raise ValueError(f"--{LAYOUT} takes a file of boxes, not {given!r:.80}")
    return read_boxes(given)


def read_prompts(path: Path) -> list[str]:
    """The lines of a file that say something; those that are not UTF-8 are counted and left out.

    Raises:
        ValueError: if there is no such file, or nothing in it.
    """
    if not path.is_file():
        raise ValueError(f"no file of texts at {path}; --{PROMPTS} takes one with a text on each line")
    found: list[str] = []
    broken: list[str] = []
    for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        try:
            found.append(line.decode().strip())
        except UnicodeDecodeError:
            broken.append(str(number))
    found = [text for text in found if text]
    if not found:
        raise ValueError(f"{path} has no line of text")
    if broken:
        lines = f"{', '.join(broken[:3])}{' ...' * (len(broken) > 3)}"
        warnings.warn(f"{path}: {len(broken)} lines are not UTF-8 and are left out ({lines})", stacklevel=2)
    return found


def _value(given: Any, names: Sequence[str]) -> Any:
    """A value of a category: a number, unless one is called so."""
    is_number = isinstance(given, str) and given not in names and re.fullmatch(r"-?\d+", given)
    return int(given) if is_number else given
