"""`lightgen fit --init_from P`: training that begins with somebody's weights, of a checkpoint that needs no config."""

from __future__ import annotations

from typing import Any

import yaml

from lightgen.checkpoint import load
from lightgen.cli.following import parts_of
from lightgen.prior import Prior
from lightgen.registry import as_config, describe
from lightgen.scorers.base import Scorer

OPTION = "--init_from"
RATE = 1e-4
"""Learning rate, which for weights that are trained already is lower than from the start."""


def with_initial(args: list[str]) -> list[str]:
    """Command line arguments with a config of what a checkpoint holds, before all others, in place of `--init_from P`.

    Raises:
        ValueError: if the checkpoint cannot be read, or none is named.
    """
    for i, arg in enumerate(args):
        if arg == OPTION and i + 1 < len(args):
            return _begun(args[:i] + args[i + 2 :], args[i + 1])
        if arg.startswith(f"{OPTION}="):
            return _begun(args[:i] + args[i + 1 :], arg.removeprefix(f"{OPTION}="))
    if OPTION in args:
        raise ValueError(
            f"{OPTION} needs a checkpoint: of a prior, a tokenizer or a scorer, trained, imported or of the zoo"
        )
    return args


def _begun(args: list[str], path: str) -> list[str]:
    command, *rest = args
    return [command, "--config", yaml.safe_dump(config_of(path)), *rest]


def config_of(path: str) -> dict[str, Any]:
    """The config of a training that goes on from a checkpoint.

    Raises:
        ValueError: as `load`.
    """
    component: Any = load(path)
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": RATE}}
    if isinstance(component, Scorer):
        return {"model": {"class_path": "ScorerModule", "init_args": {"scorer": path, "optimizer": optimizer}}}
    arguments: dict[str, Any] = {"tokenizer": path, "optimizer": optimizer}
    if not isinstance(component, Prior):
        return {"model": {"class_path": "TokenizerModule", "init_args": arguments}}
    conditioner = _entry(component.network.conditioner)
    for part in parts_of(conditioner):
        if "num_classes" in part["init_args"]:
            # As many as the data have.
            part["init_args"]["num_classes"] = 0
    arguments |= {
        "init_from": path,
        "network": _entry(component.network, "interface"),
        "process": _entry(component.process, "vocab_size"),
        "recipe": as_config(describe(component.recipe))["init_args"],
        "conditioner": conditioner,
        "others": {role: _entry(network, "interface") for role, network in component.others.items()} or None,
    }
    return {"model": {"class_path": "PriorModule", "init_args": arguments}}


def _entry(component: Any, *follows: str) -> Any:
    """A component in the words of a config, without arguments that follow from other parts."""
    entry = as_config(describe(component))
    if isinstance(entry, dict):
        entry["init_args"] = {name: value for name, value in entry["init_args"].items() if name not in follows}
    return entry
