"""The help of a command on one screen; what Lightning's Trainer takes stands behind a second word."""

from __future__ import annotations

import argparse
import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from lightgen.cli.commands import COMMANDS, EXAMPLES, READ_BEFORE
from lightgen.cli.configs import IN_CONFIGS

ALL, TRAINER = "all", "trainer"
TYPES = {bool: "true|false", int: "N", float: "X", str: "TEXT", Path: "PATH", Mapping: "{..}", Iterable: "[..]"}
INDENT, COLUMN, WIDTH = 2, 26, 110


def command_help(parser: Any, words: Sequence[str], texts: Mapping[str, str]) -> str:
    """Everything that `--help` prints.

    Args:
        parser: whose help is asked for.
        words: of the command line; the one after `--help` chooses what is shown.
        texts: what to say of options in place of what they say themselves; nothing hides one.
    """
    section = _section(words)
    command = parser.prog.split()[-1]
    actions = [action for action in parser._actions if not _is_hidden(action, section, texts)]
    if section not in ("", ALL):
        actions = [action for action in actions if action.dest.split(".")[0] == section]
        if not actions:
            raise ValueError(f"there is no help on {section!r}; there is --help {TRAINER}, and --help {ALL}")
    if match := re.match(r"Help for \S+=(\S+)", parser.description or ""):
        # Made by jsonargparse for `--sampler.help SUNDAE`; its last group says what the class is.
        lines = [f"{match[1].rpartition('.')[2]}: {parser._action_groups[-1].title}"]
    else:
        needed = [a for a in parser._actions if a.dest in parser.needed and a.option_strings]
        usage = ["--config FILE"] * any(a.dest in IN_CONFIGS for a in needed)
        usage += [f"{a.option_strings[0]} {metavar(a)}" for a in needed if a.dest not in IN_CONFIGS]
        about = COMMANDS[command][1] if command in COMMANDS else parser.description
        lines = [f"usage: lightgen {' '.join([command, *usage, '[options]'])}", "", _wrapped(_sentence(about), 0)]
    lines += ["", *(option(action, action.dest in parser.needed, texts) for action in actions)]
    if section == "" and command in COMMANDS:
        lines += _more(parser, command)
    return "\n".join(lines) + "\n"


def option(action: argparse.Action, needed: bool, texts: Mapping[str, str]) -> str:
    """An option, what it takes, and what it is for."""
    name = next((o for o in action.option_strings if o.startswith("--")), action.dest)
    text = plain(texts.get(action.dest, action.help or ""))
    default = action.default
    if needed:
        text += " (in the config)" if action.dest in IN_CONFIGS else " (needed)"
    elif isinstance(default, (int, float, str)) and default not in (False, "", argparse.SUPPRESS):
        text += f" ({default})" * ("default" not in text.lower())
    return _line(f"{name} {metavar(action)}".strip(), text)


def _line(left: str, text: str) -> str:
    """An option with what it takes, and beside it, or below if that is long, what it is for."""
    body = _wrapped(text, COLUMN)
    if len(left) + INDENT < COLUMN:
        return (" " * INDENT + left).ljust(COLUMN) + body.lstrip()
    return f"{' ' * INDENT}{left}\n{body}"


def metavar(action: argparse.Action) -> str:
    """What an option takes, in a word."""
    if action.nargs == 0:
        return ""
    if action.choices:
        return "|".join(map(str, action.choices))
    hint = getattr(action, "_typehint", None) or action.type
    if action.dest == "config":
        return "FILE"
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else [hint]
    if int in kinds:
        return TYPES[int]
    kind = next((kind for kind in kinds if kind is not type(None)), None)
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    kind = get_origin(kind) or kind
    if not isinstance(kind, type):
        return "VALUE"
    return next((word for known, word in TYPES.items() if issubclass(kind, known)), "CLASS")


def plain(text: str) -> str:
    """A text without the markup of other people's documentation, on one line."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"\1", text).replace("``", "").replace("%%", "%")
    return re.sub(r"\s*Default: \S+$", "", " ".join(text.split())).rstrip(".")


def _section(words: Sequence[str]) -> str:
    for i, word in enumerate(words):
        if word in ("-h", "--help") and i + 1 < len(words) and not words[i + 1].startswith("-"):
            return words[i + 1]
    return ""


def _is_hidden(action: argparse.Action, section: str, texts: Mapping[str, str]) -> bool:
    # Of groups of options jsonargparse also takes files, and of each class it prints the help.
    if action.dest in ("help", "print_config", "print_shtab") or action.dest.endswith(".help"):
        return section != ALL
    if action.metavar == "CONFIG" or texts.get(action.dest) == "" or isinstance(action, argparse._SubParsersAction):
        return True
    return section == "" and action.dest.startswith(f"{TRAINER}.")


def _more(parser: Any, command: str) -> list[str]:
    lines = [_line(left, text) for left, text in READ_BEFORE.get(command, {}).items()]
    if parser.takes_trainer or any(action.dest.startswith(f"{TRAINER}.") for action in parser._actions):
        text = (
            f"accelerator, devices, precision and all else of Lightning's Trainer: `lightgen {command} --help trainer`"
        )
        lines += [_line(f"--{TRAINER}.NAME VALUE", text)]
    if helped := [a.dest.removesuffix(".help") for a in parser._actions if a.dest.endswith(".help") and "." not in
                  a.dest.removesuffix(".help")]:  # fmt: skip
        lines += [
            f"  --{helped[0]}.help CLASS".ljust(COLUMN)
            + "what a class takes"
            + "".join(f"; so too --{name}.help" for name in helped[1:])
        ]
    return [*lines, "", "examples:", *(f"  {example}" for example in EXAMPLES[command])]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


def _wrapped(text: str, indent: int) -> str:
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    return textwrap.fill(text, max(width, COLUMN + 20), initial_indent=" " * indent, subsequent_indent=" " * indent)
