"""Options that change what a checkpoint says: a whole component, or one argument of it.

One rule for all of them. `--NAME CLASS` (or a mapping with a `class_path`, or null) takes the place of the whole
component, with that class's own defaults. `--NAME.argument VALUE` (or a mapping of arguments) changes arguments of what
is there by then, which at first is what the checkpoint says. They are followed in the order of the command line; a
config stands where its --config stands.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from lightgen.cli.configs import read

RULE = (
    "--{name} CLASS replaces the checkpoint's own, --{name}.ARGUMENT VALUE changes one argument of it; "
    "`lightgen list {name}` names the classes"
)


class Overrides:
    """The changes that a command line asks for, and what is left of it.

    Args:
        arguments: the command line, with located configs.
        names: of the components that a checkpoint has defaults for.

    Raises:
        ValueError: if an option lacks its value, or a config cannot be read.
    """

    def __init__(self, arguments: Sequence[str], names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.rest: list[str] = []
        """What is for the other options."""
        self.changes: list[tuple[str, Any]] = []
        """Paths and values, e.g. `("sampler.steps", 8)`, in their order."""
        words = list(arguments)
        while words:
            word = words.pop(0)
            option, equals, value = word.partition("=")
            is_config = option in ("--config", "-c")
            if not (is_config or self._is_ours(option)):
                self.rest.append(word)
                continue
            if not equals:
                if not words:
                    raise ValueError(f"{option} needs a value")
                value = words.pop(0)
            if is_config:
                self._add_config(value)
            else:
                self.changes.append((option.removeprefix("--"), _value(option, value)))

    def applied(self, defaults: dict[str, Any]) -> dict[str, Any]:
        """Defaults by name, each in the words of YAML, with the changes.

        Raises:
            ValueError: if an argument is changed of a component that is not there.
        """
        parts = json.loads(json.dumps(defaults))
        for path, value in self.changes:
            _change(parts, path.split("."), value, path)
        return {name: parts[name] for name in self.names}

    def _is_ours(self, option: str) -> bool:
        name, _, path = option.removeprefix("--").partition(".")
        return option.startswith("--") and name in self.names and path != "help"

    def _add_config(self, path: str) -> None:
        config = read(path)
        self.changes += [(name, config.pop(name)) for name in self.names if name in config]
        self.rest += ["--config", yaml.safe_dump(config)]


def _value(option: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(f"{option} has a value that cannot be read: {text}") from None


def _change(parts: dict[str, Any], path: Sequence[str], value: Any, whole: str) -> None:
    """Set a value at a path of components, whose arguments stand under `init_args`."""
    name, *deeper = path
    if isinstance(parts.get(name), str):
        parts[name] = {"class_path": parts[name]}
    part = parts.get(name)
    if deeper == ["class_path"]:
        parts[name] = value
    elif not deeper or deeper == ["init_args"]:
        _replace(parts, name, value, whole)
    elif not isinstance(part, dict):
        above = whole.rpartition(".")[0]
        raise ValueError(
            f"--{whole} changes an argument, but there is no {name} to change; name its class with --{above}"
        )
    elif "class_path" in part:
        _change(part.setdefault("init_args", {}), deeper[deeper[0] == "init_args" :], value, whole)
    else:
        _change(part, deeper, value, whole)


def _replace(parts: dict[str, Any], name: str, value: Any, whole: str) -> None:
    """Put a whole in its place; a mapping that names no class changes the arguments that it names."""
    if isinstance(value, dict) and isinstance(parts.get(name), dict) and "class_path" not in value:
        for argument, given in value.get("init_args", value).items():
            _change(parts, [name, argument], given, f"{whole}.{argument}")
    else:
        parts[name] = value
