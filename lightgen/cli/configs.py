"""Where configs are found, the current folder first, then those that ship with lightgen; and how they are read."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Any

import yaml

from lightgen.functional.files import shipped

CONFIGS, SUITES = "configs", "benchmarks/suites"
"""The folders of what trains and samples (tokenizer, prior, method), and of what `lightgen bench` runs."""
IN_CONFIGS = {"model": CONFIGS, "data": CONFIGS, "priors": SUITES, "methods": SUITES, "protocol": SUITES,
              "evaluations": SUITES}  # fmt: skip
"""Options that nobody gives without a config, and where those are."""
OVERLAYS = "method"
"""The folder of those that only change others."""
GROUPS = ("trainer", "checkpoints")
"""Names that stand for several options, and for no value of their own."""
MAX_VALUES = 100_000
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def names(folder: str = CONFIGS) -> list[str]:
    """Those of the shipped ones that run by themselves."""
    return sorted(path.name for path in shipped(folder).rglob("*.yaml") if path.parent.name != OVERLAYS)


def locate(name: str, folder: str = CONFIGS) -> str:
    """The path of a config: a file, or a shipped one by its name alone or with its folder, as `method/maskgit.yaml`.

    Raises:
        ValueError: if it is neither here nor shipped; the message names the nearest shipped one.
    """
    if not name:
        raise ValueError("--config needs the name of a file")
    if Path(name).is_file():
        return name
    if Path(name).is_dir():
        raise ValueError(f"{name} is a folder, where a config is needed")
    there = shipped(folder)
    paths = sorted(there.rglob("*.yaml"))
    for path in paths:
        if Path(name) in (Path(path.name), path.relative_to(there)):
            return str(path)
    # Compared without the suffix, which makes everything look alike.
    by_stem = {path.stem: path.relative_to(there) for path in paths}
    near = difflib.get_close_matches(Path(name).stem, by_stem, n=1, cutoff=0.7)
    if near:
        found = by_stem[near[0]]
        there_are = f"did you mean '{found if found.parts[0] == OVERLAYS else found.name}'?"
    else:
        there_are = f"there are {', '.join(names(folder))}"
    raise ValueError(f"no config {name} in this folder or among the shipped ones; {there_are}")


def read(path: str) -> dict[str, Any]:
    """The options in a config.

    Raises:
        ValueError: if it cannot be read, holds none, one twice, or aliases that unfold to more than anyone writes.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=Loader)
        if tree is not None and _size(tree, {}) > MAX_VALUES:
            raise ValueError(f"{path} is not a config: its aliases unfold to more than {MAX_VALUES} values")
        if tree is not None and (twice := _twice(tree)):
            raise ValueError(f"{path}, line {twice.start_mark.line + 1}: {twice.value} stands here for the second time")
        config = yaml.load(text, Loader=Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path} is not a config: {' '.join(str(error).split())}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{path} is not a config: it holds no options")
    for name in GROUPS:
        if not isinstance(config.get(name, {}), dict):
            raise ValueError(f"{path}: {name} holds options, as `{name}: {{NAME: VALUE}}`, and is not {config[name]!r}")
    return config


def _twice(tree: yaml.Node) -> yaml.ScalarNode | None:
    """A key that its mapping has had before: YAML would take the last one without a word."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, yaml.MappingNode):
            first: dict[str, yaml.ScalarNode] = {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and first.setdefault(key.value, key) is not key:
                    return key
        todo += _children(node)
    return None


def _size(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node unfolds to; an alias is the same node again, within itself endlessly."""
    if id(node) not in known:
        known[id(node)] = math.inf
        known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    return [] if isinstance(node, yaml.ScalarNode) else [part for child in node.value for part in _parts(child)]


def _parts(child: Any) -> tuple[yaml.Node, ...]:
    return child if isinstance(child, tuple) else (child,)


def with_located_configs(args: list[str], folder: str = CONFIGS) -> list[str]:
    """Command line arguments with the value of every `--config` located.

    Raises:
        ValueError: as `locate` and `read`.
    """
    located = list(args)
    for i, arg in enumerate(args):
        if arg in ("--config", "-c") and i + 1 < len(args):
            located[i + 1] = locate(args[i + 1], folder)
            read(located[i + 1])
        elif arg.startswith("--config="):
            located[i] = "--config=" + locate(arg.removeprefix("--config="), folder)
            read(located[i].removeprefix("--config="))
    return located


def with_texts(args: list[str]) -> list[str]:
    """Command line arguments with the text of every located config in place of its name.

    jsonargparse would read a file in the encoding of the locale; configs are in UTF-8 everywhere.
    """
    texts = list(args)
    for i, arg in enumerate(args):
        if arg in ("--config", "-c") and i + 1 < len(args):
            texts[i + 1] = Path(args[i + 1]).read_text(encoding="utf-8")
        elif arg.startswith("--config="):
            texts[i] = "--config=" + Path(arg.removeprefix("--config=")).read_text(encoding="utf-8")
    return texts


def given_configs(args: list[str]) -> list[str]:
    """The value of every `--config` of a command line."""
    found = []
    for arg, after in zip(args, [*args[1:], ""], strict=True):
        if arg in ("--config", "-c"):
            found.append(after)
        elif arg.startswith("--config="):
            found.append(arg.removeprefix("--config="))
    return found
