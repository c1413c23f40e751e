"""`lightgen --print_shtab SHELL`: tab completion of the commands and their options."""

from __future__ import annotations

import argparse
import importlib
from typing import Any

import shtab

from lightgen.cli import fit
from lightgen.cli.commands import COMMANDS
from lightgen.cli.list import ZOO
from lightgen.cli.plain import PlainParser
from lightgen.registry import components

FILES = ("--config", "--ckpt_path", "--image", "--mask", "--prompts", "--weights", "--tokenizer", "--source")


def main(args: list[str]) -> int:
    """Print a completion script, e.g. for `eval "$(lightgen --print_shtab bash)"`."""
    reader = PlainParser(prog="lightgen", description=main.__doc__)
    reader.add_argument("--print_shtab", choices=("bash", "zsh"), required=True, help="the shell")
    shell = reader.parse_args(args).print_shtab
    root = argparse.ArgumentParser(prog="lightgen")
    commands = root.add_subparsers()
    parsers: dict[str, Any] = fit.grammar()
    for name, (module, _) in COMMANDS.items():
        command = importlib.import_module(f"lightgen.cli.{module}")
        if hasattr(command, "parser"):
            parsers[name] = command.parser()
    for name, (_, text) in COMMANDS.items():
        # jsonargparse's own script spells out every option of every class: a hundred megabytes.
        added = commands.add_parser(name, help=text)
        for action in parsers[name]._actions if name in parsers else ():
            _copy(action, added)
    commands.choices["list"].add_argument("kind", choices=[ZOO, *sorted({c.kind for c in components()})])
    commands.choices["demo"].add_argument("--out")
    print(shtab.complete(root, shell))
    return 0


def _copy(action: argparse.Action, command: argparse.ArgumentParser) -> None:
    """Give a command the name of an option, and what to offer as its value."""
    names = [name for name in action.option_strings if name not in ("-h", "--help")]
    if not names:
        return
    kind = names[-1].removeprefix("--")
    choices = [c.__name__ for c in components(kind)] or None
    option = command.add_argument(*names, choices=choices, help="")
    if names[-1] in FILES:
        option.complete = shtab.FILE  # type: ignore[attr-defined]
