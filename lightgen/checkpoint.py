"""Reading checkpoints, safely: what lightgen writes can be loaded without executing anything that is in it.

A checkpoint is a file that torch reads, a folder of shards, or one of `model.safetensors` and `config.json`.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

import lightgen
from lightgen.functional.files import NotWritten, atomic, save_json
from lightgen.functional.sharded_files import is_sharded, read_sharded
from lightgen.functional.torch_files import read_torch
from lightgen.functional.undrawn import undrawn
from lightgen.migration import first_name, is_sound, migrate
from lightgen.networks.low_rank import merged
from lightgen.pretrained import config_of, located
from lightgen.registry import Component, build, describe
from lightgen.tokenizers.base import Tokenizer

KEY = "lightgen"
"""Where a checkpoint says what it holds."""

KINDS = ("prior", "tokenizer", "scorer")
"""What it may hold."""

TOKENIZER = "tokenizer."
"""How the weights of a prior's tokenizer begin."""

STATES = ("state_dict", "current_model_state")
"""Where a checkpoint has weights: those that it is used with, and those of training where they are others."""

NONE = "is not a checkpoint that lightgen wrote, or is damaged"

WEIGHTS, CONFIG = "model.safetensors", "config.json"
"""The files of a folder."""

CHECKSUM = "checksum"
"""Where a folder's configuration has the CRC-32 of its weights."""

BESIDE = "tokenizer_beside"
"""Where a folder's configuration names the folder next to it that has the weights of its tokenizer."""


def pack(component: Component, prefix: str) -> dict[str, Any]:
    """The entry that makes a checkpoint self-contained: what to build, and where its weights are in `state_dict`."""
    return {
        "version": lightgen.__version__,
        "torch": str(torch.__version__),
        "component": describe(component),
        "prefix": prefix,
        "categories": {name: list(names) for name, names in getattr(component, "categories", {}).items()},
    }


def read(path: str | Path) -> dict[str, Any]:
    """A checkpoint's contents, on the CPU.

    Raises:
        OSError: if a file may not be read.
        ValueError: in one line, if there is no such file, it is not a checkpoint or is damaged, it carries pickled code
            (which is refused, not run), lightgen did not write it, or it holds weights that are not finite.
    """
    path = located(path)
    contents = (_read_folder if path.is_dir() else _read_file)(path)
    if not is_sound(contents, KEY):
        raise ValueError(f"{path} {NONE}")
    for state in STATES:
        if (name := not_finite(contents.get(state, {}))) is not None:
            raise ValueError(f"{path} holds weights that are NaN or infinite, the first in {name}: "
                             "its training ran away; take a checkpoint from before that")  # fmt: skip
    try:
        contents |= {state: merged(contents[state]) for state in STATES if state in contents}
        migrate(contents, KEY)
    except (AttributeError, LookupError, RuntimeError, TypeError):
        # Deep inside, a description lacks a part, or the parts of a matrix do not belong together.
        raise ValueError(f"{path} {NONE}") from None
    return contents


def not_finite(weights: dict[str, Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or an infinite number."""
    for name, tensor in weights.items():
        # Of all looks at a tensor, this is the quickest by far.
        if tensor.is_floating_point() and tensor.numel() and not all(end.isfinite() for end in tensor.aminmax()):
            return name
    return None


def _read_file(path: Path) -> Any:
    if not path.is_file():
        config = config_of(path, *KINDS)
        # Where a run of that config leaves it.
        known = config is not None and path == Path("runs", Path(config).stem, "last.ckpt")
        raise ValueError(f"no checkpoint at {path}" + f"; `lightgen fit --config {config}` makes it" * known)
    return read_torch(path)


def _read_folder(folder: Path) -> Any:
    return read_sharded(folder) if is_sharded(folder) else _read_exported(folder)


def _read_exported(folder: Path) -> dict[str, Any]:
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"the folder {folder} is not one that lightgen exported: it has no {name}")
    try:
        entry = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        # First, since the library says of a file that may not be read that it is not there.
        checksum = zlib.crc32((folder / WEIGHTS).read_bytes())
        weights = load_file(folder / WEIGHTS)
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise ValueError(f"the folder {folder} is damaged: {error}") from None
    if not isinstance(entry, dict) or not {"component", "prefix", "config"} <= entry.keys():
        raise ValueError(f"the folder {folder} is not one that lightgen exported")
    # Folders of version 0.1 have none.
    if entry.setdefault(CHECKSUM, checksum) != checksum:
        raise ValueError(f"{folder / WEIGHTS} is damaged: its checksum is not that in {CONFIG}")
    if (beside := entry.pop(BESIDE, None)) is not None:
        if not isinstance(beside, dict) or not isinstance(beside.get("name"), str):
            raise ValueError(f"the folder {folder} is damaged: {BESIDE} in its {CONFIG} names no folder")
        weights |= _beside(folder, beside["name"], beside.get("checksum"))
    return {KEY: entry, "state_dict": weights}


def _beside(folder: Path, name: str, checksum: Any) -> dict[str, Tensor]:
    tokenizer = folder.parent / name
    try:
        contents = _read_exported(tokenizer)
    except ValueError as error:
        raise ValueError(f"{folder} takes its tokenizer from the folder beside it: {error}") from None
    if contents[KEY][CHECKSUM] != checksum:
        raise ValueError(f"{folder} takes its tokenizer from {tokenizer}, which holds another one")
    return {TOKENIZER + part: tensor for part, tensor in contents["state_dict"].items()}


def save(component: Any, path: Path, **more: Any) -> None:
    """Write a component as a checkpoint of its own, without anything that training would go on from.

    Args:
        component: a tokenizer, a prior or a scorer.
        path: of the file.
        more: plain data to keep with it.
    """
    contents = {KEY: {**pack(component, ""), "config": None, **more}, "state_dict": component.state_dict()}
    write(contents, path)


def write(contents: dict[str, Any], path: Path) -> None:
    """Write a checkpoint's contents, which are whole or not there. Its format has a CRC-32 of every tensor.

    Raises:
        OSError: if they cannot be written; what was there before still is.
    """
    with atomic(path, durable=True) as temporary:
        try:
            torch.save(contents, temporary)
        except RuntimeError as error:
            # What torch makes of a full disk.
            said = f"{path} could not be written, is the disk full? What was there before still is"
            raise NotWritten(said) from error


def export(path: str | Path, folder: Path, half: bool = False, tokenizer: Path | None = None) -> Any:
    """Write what a checkpoint holds as a folder, with averaged weights where it has them; returns what it holds.

    Args:
        path: of the checkpoint.
        folder: where to.
        half: keep float32 weights in float16, which halves the file; they are float32 again when loaded.
        tokenizer: a folder beside `folder`, exported in the same way, that has the prior's tokenizer, maybe with a
            decoder that was trained on: its weights are left out, and read from there.

    Raises:
        ValueError: as `load`, or if that folder is not beside or has another tokenizer.
    """
    contents = read(path)
    component = _assemble(contents, path)
    write_folder(component, contents[KEY], folder, half, tokenizer)
    return component


def write_folder(
    component: Any, entry: dict[str, Any], folder: Path, half: bool = False, tokenizer: Path | None = None
) -> None:
    """Write a component as a folder; for its entry see `pack`, for the rest `export`.

    Raises:
        OSError: if it cannot be written.
        ValueError: if a weight is too large for float16.
    """
    # Safetensors wants every tensor for itself and in plain order.
    weights = {
        name: (tensor.half() if half and tensor.dtype == torch.float32 else tensor).clone(
            memory_format=torch.contiguous_format
        )
        for name, tensor in component.state_dict().items()
    }
    if (name := not_finite(weights)) is not None:
        raise ValueError(f"weights are too large for float16, the first in {name}; leave out half")
    entry = {**entry, "prefix": ""}
    if tokenizer is not None:
        entry[BESIDE] = _left_out(weights, tokenizer, folder)
    # The library's own writing to a file makes one that nobody else may read.
    written = serialized(weights)
    with atomic(folder / WEIGHTS, durable=True) as temporary:
        temporary.write_bytes(written)
    save_json({**entry, CHECKSUM: zlib.crc32(written)}, folder / CONFIG)


def _left_out(weights: dict[str, Tensor], tokenizer: Path, folder: Path) -> dict[str, Any]:
    """Take the tokenizer's weights out of those of a prior; what says where they are."""
    tokenizer = located(tokenizer)
    if tokenizer.resolve().parent != folder.resolve().parent or tokenizer.resolve() == folder.resolve():
        raise ValueError(f"{tokenizer} must stand beside {folder}, so that the two stay together")
    there = _read_exported(tokenizer)
    own = {name.removeprefix(TOKENIZER): weights.pop(name) for name in [*weights] if name.startswith(TOKENIZER)}
    beside = there["state_dict"]
    if own.keys() != beside.keys() or not Tokenizer.same_ids(own, beside):
        raise ValueError(f"{tokenizer} does not hold the prior's tokenizer with weights of the same precision")
    return {"name": tokenizer.resolve().name, "checksum": there[KEY][CHECKSUM]}


def load(path: str | Path, kind: str | None = None) -> Any:
    """The component that a checkpoint holds, on the CPU and in eval mode; it is `lightgen.load`.

    Its weights are the averaged ones where the checkpoint has them.

    Args:
        path: of a file that lightgen wrote, or of a folder that it exported, or `zoo:NAME` (see `lightgen.zoo`).
        kind: what it must be, `"prior"`, `"tokenizer"` or `"scorer"`; None takes any.

    Raises:
        ValueError: as `read`, or if the checkpoint holds another kind or does not fit this version's components.

    >>> lightgen.load("zoo:icons64-sundae").classes[:2]
    ('Activities', 'Animals & Nature')
    """
    contents = read(path)
    if kind is not None:
        require_kind(contents, kind, path)
    component = _assemble(contents, path)
    component.ckpt_path = str(path)
    return component


def require_kind(contents: dict[str, Any], kind: str, path: str | Path) -> None:
    """Refuse a checkpoint of anything else.

    Raises:
        ValueError: if it holds another kind.
    """
    held = contents[KEY]["component"]["kind"]
    if held != kind:
        raise ValueError(f"{path} holds a {held}, where a {kind} is needed")


def _assemble(contents: dict[str, Any], path: str | Path) -> Any:
    entry = contents[KEY]
    try:
        with undrawn():
            component = build(entry["component"], *KINDS)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(
            f"{path} does not fit this version of lightgen: {' '.join(str(error).split())[:200]}"
        ) from None
    weights = {
        name.removeprefix(entry["prefix"]): tensor
        for name, tensor in contents["state_dict"].items()
        if name.startswith(entry["prefix"])
    }
    try:
        component.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"the weights in {path} do not fit: {' '.join(str(error).split())[:300]}") from None
    if entry["categories"]:
        component.categories = {name: tuple(names) for name, names in entry["categories"].items()}
    return component.eval()


def load_tokenizer(path: str) -> Any:
    """The tokenizer in a checkpoint of either stage, trained, imported or exported.

    Raises:
        ValueError: as `load`; for a missing file it says how to train one.
    """
    if not located(path).exists():
        config = config_of(path, "tokenizer") or "ffhq256-tokenizer.yaml"
        raise ValueError(
            f"no tokenizer at {path}; train one, e.g. `lightgen fit --config {config}`, "
            "and give its checkpoint with --model.tokenizer"
        )
    return tokenizer_in(path)


def tokenizer_in(path: str | Path) -> Any:
    """The tokenizer of a checkpoint of either stage.

    Raises:
        ValueError: as `load`.
    """
    component = load(path)
    return getattr(component, "tokenizer", component)


def load_scorer(path: str | Path) -> Any:
    """The scorer in a checkpoint, or the CLIP in a folder of transformers.

    Raises:
        ValueError: as `load`, or if such a folder cannot be read.
    """
    # Scorers come with timm, which whoever samples should not wait for.
    from lightgen.scorers.clip import CLIPScorer, is_clip

    return CLIPScorer(str(path)).eval() if is_clip(located(path)) else load(path, "scorer")


def fingerprint(module: nn.Module) -> str:
    """Sixteen hex digits that name a module's weights; equal weights have equal names."""
    digest = hashlib.sha256()
    for name, tensor in sorted((first_name(name), tensor) for name, tensor in module.state_dict().items()):
        digest.update(name.encode())
        digest.update(_bytes(tensor))
    return digest.hexdigest()[:16]


def digest(*tensors: Tensor) -> str:
    """Sixteen hex digits that name the values of tensors."""
    return hashlib.sha256(b"".join(map(_bytes, tensors))).hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
