"""Reading checkpoints, safely: what lightgen writes can be loaded without executing anything that is in it."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import lightgen
from lightgen.registry import Component, build, describe

KEY = "lightgen"
"""Where a checkpoint says what it holds."""


def pack(component: Component, prefix: str) -> dict[str, Any]:
    """The entry that makes a checkpoint self-contained: what to build, and where its weights are in `state_dict`."""
    return {
        "version": lightgen.__version__,
        "torch": str(torch.__version__),
        "component": describe(component),
        "prefix": prefix,
    }


def read(path: str | Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        ValueError: in one line, if there is no such file, it is not a checkpoint, it carries pickled code (which is
            refused, not run), or lightgen did not write it.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    try:
        with warnings.catch_warnings():
            # torch wonders about pickles that it is about to refuse.
            warnings.simplefilter("ignore")
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        if "Unsupported global" in str(error) or "WeightsUnpickler" in str(error):
            raise ValueError(f"{path} carries pickled code and was refused; nothing in it was executed") from None
        raise ValueError(f"{path} is not a checkpoint, or is damaged") from None
    if not isinstance(contents, dict) or KEY not in contents:
        raise ValueError(f"{path} is not a checkpoint that lightgen wrote")
    return contents


def restore(path: str | Path, kind: str) -> Any:
    """The component of a kind (`"prior"`, `"tokenizer"`) that a checkpoint holds, with its weights, in eval mode.

    Raises:
        ValueError: as `read`, or if the checkpoint holds another kind or does not fit this version's components.
    """
    contents = read(path)
    entry = contents[KEY]
    held = entry["component"]["kind"]
    if held != kind:
        raise ValueError(f"{path} holds a {held}, where a {kind} is needed")
    component = build(entry["component"])
    weights = {
        name.removeprefix(entry["prefix"]): tensor
        for name, tensor in contents["state_dict"].items()
        if name.startswith(entry["prefix"])
    }
    try:
        component.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights in {path} do not fit: {' '.join(str(error).split())[:300]}") from None
    return component.eval()


def load_tokenizer(path: str) -> Any:
    """The tokenizer in a checkpoint of stage one.

    Raises:
        ValueError: as `restore`; for a missing file it says how to train one.
    """
    if not Path(path).is_file():
        raise ValueError(
            f"no tokenizer at {path}; train one, e.g. `lightgen fit --config ffhq256-tokenizer.yaml`, "
            "and give its checkpoint with --model.tokenizer"
        )
    return restore(path, "tokenizer")


def fingerprint(module: nn.Module) -> str:
    """Sixteen hex digits that name a module's weights; equal weights have equal names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
