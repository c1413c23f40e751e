"""Checkpoints of earlier versions, translated as they are read.

0.1    `sampler`, `warps` and `guidance` stood beside each other in a prior, and are its `recipe` now; classes were
       numbers of the network and the prior, and a critic a part of its own, now a `ClassLabel` and one of `others`;
       networks took the numbers that are an `Interface` now
0.2    had the names of classes, and of no other category, as `classes`

Arguments that a component has got since then do what it did before: see `ADDED`. Those that went are dropped: see
`REMOVED`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import lightgen

Description = dict[str, Any]
"""A component as plain data: see `lightgen.registry.describe`."""

ADDED: dict[tuple[str, str], Description] = {
    ("sampler", "Ancestral"): {"leave_one_out": False},
    ("sampler", "ArgmaxUnrolled"): {"confidence": "warped", "certainty": "current"},
    ("sampler", "Halton"): {"floor": "masked"},
    ("sampler", "MaskGIT"): {"confidence": "warped", "annealed": False},
    ("sampler", "PredictorCorrector"): {"leave_one_out": False},
    ("sampler", "Purity"): {"confidence": "warped"},
    ("sampler", "SUNDAE"): {"unchanged": "proposal"},
    ("remasking", "Confidence"): {"confidence": "warped"},
    ("quantizer", "LFQ"): {"num_codes": 1},
    ("tokenizer", "MaskGITVQGAN"): {"downsample": "average"},
    ("process", "MaskReplace"): {"schedule": "linear"},
    ("process", "Uniform"): {"schedule": "squared_cosine"},
}
"""By kind and name of a component, its younger arguments, with what it did before it had them."""

REMOVED: dict[tuple[str, str], tuple[str, ...]] = {("sampler", "Ancestral"): ("start",)}
"""By kind and name of a component, arguments that it had: where pictures start from is no property of a sampler now."""


def is_sound(contents: Any, key: str) -> bool:
    """Whether contents have the form of a checkpoint, of this version or an earlier one.

    Args:
        contents: of the file, whatever they are.
        key: where a checkpoint says what it holds.
    """
    entry = contents.get(key) if isinstance(contents, dict) else None
    if not isinstance(entry, dict) or not all(isinstance(entry.get(name), str) for name in ("version", "prefix")):
        return False
    named, categories = entry.get("component"), entry.get("categories", {})
    return (
        isinstance(named, dict)
        and {name: type(part) for name, part in named.items()} == {"kind": str, "name": str, "arguments": dict}
        and isinstance(categories, dict)
        and all(isinstance(names, list) for names in categories.values())
        and all(map(_is_state, (contents.get("state_dict"), contents.get("current_model_state", {}))))
    )


def _is_state(state: Any) -> bool:
    return isinstance(state, dict) and all(
        isinstance(name, str) and isinstance(part, Tensor) and part.layout == torch.strided and not part.is_meta
        for name, part in state.items()
    )


def migrate(contents: dict[str, Any], key: str) -> None:
    """Bring a checkpoint's contents, in place, to the form of this version.

    Args:
        contents: of the file.
        key: where it says what it holds.
    """
    entry = contents[key]
    classes = entry.pop("classes", None)
    entry.setdefault("categories", {"label": classes} if classes else {})
    if not str(entry["version"]).startswith("0.1."):
        entry["component"] = completed(entry["component"])
    else:
        entry["component"] = from_0_1(entry["component"])
        for state in ("state_dict", "current_model_state"):
            if state in contents:
                contents[state] = {_renamed(name): tensor for name, tensor in contents[state].items()}
    # Or what is written from it would be taken for one of the earlier version.
    entry["version"] = lightgen.__version__


def from_0_1(description: Any) -> Any:
    """The description of a component, or plain data with such in it, as this version would give it."""
    return completed(_walked(description, _FROM_0_1))


def completed(description: Any) -> Any:
    """The same of a later version: with the arguments that there were not yet."""
    return _walked(description, {kind: _complete for kind, _ in ADDED | REMOVED})


def component(kind: str, name: str, **arguments: Any) -> Description:
    """The description of a component."""
    return {"kind": kind, "name": name, "arguments": arguments}


def _walked(value: Any, changes: dict[str, Callable[[Description], None]]) -> Any:
    """A description with every component in it changed, by its kind, from the inside out."""
    if isinstance(value, dict):
        value = {name: _walked(part, changes) for name, part in value.items()}
        if value.keys() == {"kind", "name", "arguments"} and value["kind"] in changes:
            changes[value["kind"]](value)
        return value
    return [_walked(part, changes) for part in value] if isinstance(value, list) else value


def _prior(arguments: Description) -> None:
    parts = {name: arguments.pop(name) for name in ("sampler", "warps", "guidance") if name in arguments}
    arguments["recipe"] = component("recipe", "Recipe", **parts)
    critic = arguments.pop("critic", None)
    arguments["others"] = {} if critic is None else {"critic": critic}
    dropout = arguments.pop("label_dropout", 0.0)
    for network in (arguments["network"], critic):
        if network is not None and network["arguments"]["interface"]["arguments"]["conditioner"] is not None:
            network["arguments"]["interface"]["arguments"]["conditioner"]["arguments"]["dropout"] = dropout


def _network(arguments: Description) -> None:
    num_ids, num_outputs = arguments.pop("num_ids"), arguments.pop("vocab_size")
    grid, num_classes = arguments.pop("grid"), arguments.pop("num_classes", 0)
    num_codes, reads_time = arguments.pop("num_codes", 1), arguments.pop("reads_time", False)
    # A critic answers by one logit, and reads all codes.
    vocab_size = num_ids if num_outputs == 1 else num_outputs
    arguments["interface"] = component(
        "interface", "Interface",
        layout=component("layout", "Layout", cells=grid, vocab_size=vocab_size, num_codes=num_codes),
        num_ids=num_ids,
        num_outputs=num_outputs,
        reads_time=reads_time,
        conditioner=component("conditioner", "ClassLabel", num_classes=num_classes) if num_classes else None,
    )  # fmt: skip


def _complete(description: Description) -> None:
    # What is written names every argument, so that a missing one is younger.
    for name, value in ADDED.get((description["kind"], description["name"]), {}).items():
        description["arguments"].setdefault(name, value)
    for name in REMOVED.get((description["kind"], description["name"]), ()):
        description["arguments"].pop(name, None)


def first_name(name: str) -> str:
    """What a weight of a prior was called in 0.1: fingerprints go by that, so that a renamed weight is no other one."""
    if name.startswith("others.critic."):
        name = name.removeprefix("others.")
    return name.replace("conditioner.embedding.weight", "label.weight")


def _renamed(name: str) -> str:
    """A weight's name: the class vectors are a conditioner's, the critic one of several."""
    if name.startswith(("critic.", "prior.critic.")):
        name = name.replace("critic.", "others.critic.", 1)
    for network in ("network.", "others.critic."):
        name = name.replace(f"{network}label.weight", f"{network}conditioner.embedding.weight")
    return name


_FROM_0_1: dict[str, Callable[[Description], None]] = {
    "prior": lambda description: _prior(description["arguments"]),
    "network": lambda description: _network(description["arguments"]),
}
