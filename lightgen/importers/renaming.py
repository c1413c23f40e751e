"""Weights under other keys, into a network of lightgen, and out of it again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lightgen.importers.keys import listed

EXTRA = "_extra_state"
"""How the keys end of what is in no file: which text encoder it is."""

BLOCK = re.compile(r"^(\w*blocks)\.(\d+)\.")


class Source(NamedTuple):
    """Where one tensor of a network comes from, when it is not simply called something else."""

    keys: tuple[str, ...]
    """Of the file's tensors."""
    make: Callable[..., Tensor]
    """The network's tensor from these."""


Names = Mapping[str, "str | tuple[str, ...] | Source"]
"""The keys of a file by those of the network, of tensors or of the modules that they belong to; several stand for
tensors one under another. `{i}` is the number of a block.

    {"blocks.{i}.attention.to_qkv": ("layers.{i}.query", "layers.{i}.key", "layers.{i}.value"), "cell": "pos_emb"}
"""


def sources(own: Iterable[str], names: Names) -> dict[str, Source]:
    """The source of each of a network's tensors."""
    return {name: _source(name, names) for name in own}


def _source(name: str, names: Names) -> Source:
    number = (BLOCK.match(name) or ["", "", ""])[2]
    general = BLOCK.sub(r"\1.{i}.", name)
    place, _, leaf = general.rpartition(".")
    found, leaf = (names[general], "") if general in names else (names[place], f".{leaf}")
    if isinstance(found, Source):
        return Source(tuple(key.replace("{i}", number) for key in found.keys), found.make)
    keys = (found,) if isinstance(found, str) else found
    return Source(tuple(key.replace("{i}", number) + leaf for key in keys), _joined)


def _joined(*tensors: Tensor) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors)


def fill(network: nn.Module, tensors: Mapping[str, Tensor], names: Names, unused: Sequence[str] = ()) -> None:
    """Give a network, made on the meta device, its weights; every one must have its place, and every place its tensor.

    Args:
        network: what to fill; its tensors are those of the file, and not copies, where they are only called otherwise.
        tensors: by the keys of the file.
        names: the keys of the file by those of the network.
        unused: keys of tensors that the network does without, `*` in them for anything.

    Raises:
        ValueError: in one line that names the tensors that are missing, left over, or of another shape.
    """
    whole = network.state_dict()
    shapes = {own: tuple(tensor.shape) for own, tensor in whole.items() if not own.endswith(EXTRA)}
    taken = sources(shapes, names)
    wanted = dict.fromkeys(key for source in taken.values() for key in source.keys)
    missing = [key for key in wanted if key not in tensors]
    surplus = [key for key in tensors if key not in wanted and not any(fnmatchcase(key, pattern) for pattern in unused)]
    state: dict[str, Tensor] = {own: tensor for own, tensor in whole.items() if own not in shapes}
    wrong: list[str] = []
    for own, source in taken.items():
        if all(key in tensors for key in source.keys):
            parts = [tensors[key] for key in source.keys]
            made = _made(source, parts)
            if made is not None and tuple(made.shape) == shapes[own]:
                state[own] = made
            else:
                wrong += _misshapen(own, shapes[own], source, parts)
    complaints = {"missing": missing, "surplus": surplus, "of another shape": wrong}
    if any(complaints.values()):
        raise ValueError("; ".join(f"{what}: {listed(keys)}" for what, keys in complaints.items() if keys))
    network.load_state_dict(state, assign=True)
    network.requires_grad_(True)


def _misshapen(own: str, shape: tuple[int, ...], source: Source, parts: Sequence[Tensor]) -> Iterator[str]:
    """What is said of the tensors of one source."""
    if source.make is not _joined:
        there = ", ".join(str(tuple(part.shape)) for part in parts)
        yield f"{', '.join(source.keys)} {there} where {own} is {shape}"
        return
    wanted = (shape[0] // len(parts), *shape[1:])
    for key, part in zip(source.keys, parts, strict=True):
        if tuple(part.shape) != wanted:
            yield f"{key} {tuple(part.shape)} where {wanted} is needed"


def _made(source: Source, parts: Sequence[Tensor]) -> Tensor | None:
    try:
        made = source.make(*parts)
    except (RuntimeError, IndexError):
        # Tensors of shapes that do not go together.
        return None
    made = made.float() if made.is_floating_point() else made
    # A part of a larger tensor would be written to a checkpoint with all of that.
    return made.clone() if made.untyped_storage().nbytes() > made.nbytes else made


def renamed(network: nn.Module, names: Names) -> dict[str, Tensor]:
    """The inverse, for tensors that are only called otherwise, or stand one under another."""
    found: dict[str, Tensor] = {}
    for own, tensor in network.state_dict().items():
        if own.endswith(EXTRA):
            continue
        source = _source(own, names)
        if source.make is _joined:
            found |= zip(source.keys, (part.clone() for part in tensor.chunk(len(source.keys))), strict=True)
    return found
