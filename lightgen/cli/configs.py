"""Where configs are found: the current folder first, then those that ship with lightgen."""

from __future__ import annotations

from pathlib import Path

import lightgen
from lightgen.registry import suggestion

CONFIGS, SUITES = "configs", "benchmarks/suites"
"""The folders of what trains and samples (tokenizer, prior, method), and of what `lightgen bench` runs."""


def shipped(folder: str = CONFIGS) -> Path:
    """The folder of shipped configs: inside the installed package, or beside it in a checkout."""
    package = Path(lightgen.__file__).parent
    installed = package / folder
    return installed if installed.is_dir() else package.parent / folder


def locate(name: str, folder: str = CONFIGS) -> str:
    """The path of a config: a file, or a shipped one by its name alone or with its folder, as `method/maskgit.yaml`.

    Raises:
        ValueError: if it is neither here nor shipped; the message names the nearest shipped one.
    """
    if Path(name).is_file():
        return name
    there = shipped(folder)
    paths = sorted(there.rglob("*.yaml"))
    for path in paths:
        if Path(name) in (Path(path.name), path.relative_to(there)):
            return str(path)
    known = [path.name for path in paths]
    raise ValueError(f"no config {name} in this folder or among the shipped ones{suggestion(name, known)}")


def with_located_configs(args: list[str], folder: str = CONFIGS) -> list[str]:
    """Command line arguments with the value of every `--config` located."""
    located = list(args)
    for i, arg in enumerate(args):
        if arg in ("--config", "-c") and i + 1 < len(args):
            located[i + 1] = locate(args[i + 1], folder)
        elif arg.startswith("--config="):
            located[i] = "--config=" + locate(arg.removeprefix("--config="), folder)
    return located


def given_configs(args: list[str]) -> list[str]:
    """The value of every `--config` of a command line."""
    found = []
    for arg, after in zip(args, [*args[1:], ""], strict=True):
        if arg in ("--config", "-c"):
            found.append(after)
        elif arg.startswith("--config="):
            found.append(arg.removeprefix("--config="))
    return found
