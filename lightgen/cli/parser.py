"""The parser of every command: jsonargparse's, with errors that fit on one line."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any, ClassVar, NoReturn

from jsonargparse import ArgumentParser, Namespace

from lightgen.cli.configs import IN_CONFIGS, names
from lightgen.cli.helping import command_help
from lightgen.cli.output import set_up_output
from lightgen.cli.trusted import refuse_strangers
from lightgen.cli.wording import one_line
from lightgen.registry import discover

# Lightning's CLI still uses what version 5 of jsonargparse will not have.
os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


class Parser(ArgumentParser):
    """Raises ValueError, in one line, where jsonargparse would print several and exit. Knows no abbreviations."""

    texts: ClassVar[dict[str, str]] = {}
    """What `--help` says of options in place of what they say themselves; nothing hides one."""
    of: type | None = None
    """The class whose arguments it reads, where it is one that jsonargparse made for that."""
    takes_trainer = False
    """Whether the command takes Lightning's options too, which are not here."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        set_up_output()
        self.args: list[str] = []
        self.needed: set[str] = set()
        super().__init__(*args, **kwargs, allow_abbrev=False)

    def add_subclass_arguments(self, baseclass: Any, *args: Any, **kwargs: Any) -> Any:
        discover(baseclass)
        return super().add_subclass_arguments(baseclass, *args, **kwargs)

    def add_class_arguments(self, theclass: type, *args: Any, **kwargs: Any) -> Any:
        discover(theclass)
        if not self.exit_on_error:
            self.of = theclass
        return super().add_class_arguments(theclass, *args, **kwargs)

    def parse_args(self, *args: Any, **kwargs: Any) -> Any:
        self._note_needed()
        return super().parse_args(*args, **kwargs)

    def _note_needed(self) -> None:
        """Which options are needed; while jsonargparse reads, when help is asked for, it takes none to be."""
        self.needed = {action.dest for action in self._actions if action.required}
        for parser in self._subcommands().values():
            parser._note_needed()

    def _subcommands(self) -> dict[str, Parser]:
        groups = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return {name: parser for group in groups for name, parser in group.choices.items()}

    def validate(self, namespace: Namespace, *args: Any, **kwargs: Any) -> None:
        """Also refuses a null that was given where none belongs, which jsonargparse takes for nothing given."""
        super().validate(namespace, *args, **kwargs)
        with_default = [action.dest for action in self._actions if action.default is not None]
        nulls = {name: None for name in with_default if namespace.get(name, name) is None}
        super().validate(Namespace(nulls), skip_unset=False, skip_required=True)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        if match := re.fullmatch(r"the following arguments are required: ([\w., ]+)", message):
            missing = [re.sub(r"^(fit|validate|test)\.", "", name) for name in match[1].split(", ")]
            raise ValueError(self._missing(missing)) from ex
        if match := re.fullmatch(r"Subcommand '(\S+)' does not accept option '(\S+)'", message):
            # A key of a config.
            self._subcommands()[match[1]].error(f"Option '{match[2]}' is not accepted", ex)
        options = [option for option in self._option_string_actions if option.startswith("--")]
        raise ValueError(one_line(message, options, self.of)) from ex

    def instantiate(self, namespace: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_strangers(namespace)
        try:
            return super().instantiate(namespace, *args, **kwargs)
        except ValueError as error:
            raise ValueError(one_line(str(error))) from error

    def format_help(self, formatter: argparse.HelpFormatter | None = None) -> str:
        return command_help(self, self.args, self.texts)

    def _missing(self, missing: list[str]) -> str:
        """What to say where options are left out."""
        words = [word.partition("=")[0] for word in self.args]
        folders = [IN_CONFIGS[dest] for dest in missing if dest in IN_CONFIGS]
        if folders and "--config" not in words and "-c" not in words:
            return f"give a --config; shipped are {', '.join(names(folders[0]))}"
        if len(missing) > 1:
            command = f"lightgen {self.args[0]}" if self._subcommands() else self.prog
            return f"{' and '.join(f'--{dest}' for dest in missing)} are needed; see {command} --help"
        about = next((action.help for action in self._actions if action.dest == missing[0]), None)
        return f"--{missing[0]} is needed" + f": {about}" * bool(about)
