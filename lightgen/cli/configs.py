"""Where configs are found: the current folder first, then those that ship with lightgen."""

from __future__ import annotations

from pathlib import Path

import lightgen
from lightgen.registry import suggestion


def shipped() -> Path:
    """The folder of shipped configs: inside the installed package, or beside it in a checkout."""
    package = Path(lightgen.__file__).parent
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def locate(name: str) -> str:
    """The path of a config.

    Raises:
        ValueError: if it is neither here nor shipped; the message names the nearest shipped one.
    """
    if Path(name).is_file():
        return name
    if (shipped() / name).is_file():
        return str(shipped() / name)
    known = [str(p.relative_to(shipped())) for p in sorted(shipped().rglob("*.yaml"))]
    raise ValueError(f"no config {name} in this folder or among the shipped ones{suggestion(name, known)}")


def with_located_configs(args: list[str]) -> list[str]:
    """Command line arguments with the value of every `--config` located."""
    located = list(args)
    for i, arg in enumerate(args):
        if arg in ("--config", "-c") and i + 1 < len(args):
            located[i + 1] = locate(args[i + 1])
        elif arg.startswith("--config="):
            located[i] = "--config=" + locate(arg.removeprefix("--config="))
    return located
