"""Weights under other keys, into a tokenizer of lightgen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor, nn

from lightgen.importers.keys import listed
from lightgen.tokenizers.layers import Upsample
from lightgen.tokenizers.quantized import QuantizedAutoencoder


def fill(
    tokenizer: QuantizedAutoencoder,
    tensors: Mapping[str, Tensor],
    parts: Iterable[str],
    inner: Mapping[str, tuple[str, ...]],
    quantizer: Mapping[str, str],
) -> None:
    """Load tensors into a tokenizer; every one of them must have its place, and every place its tensor.

    Args:
        tokenizer: what to fill.
        tensors: by the keys of the checkpoint.
        parts: the keys of the parts of encoder and decoder, in the order of lightgen's.
        inner: keys inside of parts, by lightgen's names; several are stacked into one tensor.
        quantizer: keys of the quantizer's tensors, by lightgen's names.

    Raises:
        ValueError: in one line that names the tensors that are missing, left over, or of another shape.
    """
    sources: dict[str, tuple[str, ...]] = {f"quantizer.{own}": (name,) for own, name in quantizer.items()}
    weighted = (*weighted_parts(tokenizer.encoder, "encoder."), *weighted_parts(tokenizer.decoder, "decoder."))
    sources |= names_of(weighted, parts, inner)
    wanted = {name: own for own, names in sources.items() for name in names}
    missing = [name for name in wanted if name not in tensors]
    surplus = [name for name in tensors if name not in wanted]
    found = {own: [tensors[n] for n in names if n in tensors] for own, names in sources.items()}
    shapes = {own: tuple(tensor.shape) for own, tensor in tokenizer.state_dict().items()}
    state = {own: torch.cat(values) for own, values in found.items() if len(values) == len(sources[own])}
    wrong = [
        f"{sources[own][0]} {tuple(tensor.shape)} where {shapes[own]} is needed"
        for own, tensor in state.items()
        if _significant(tensor.shape) != _significant(shapes[own])
    ]
    complaints = {"missing": missing, "surplus": surplus, "of another shape": wrong}
    if any(complaints.values()):
        raise ValueError("; ".join(f"{what}: {listed(names)}" for what, names in complaints.items() if names))
    tokenizer.load_state_dict({own: tensor.reshape(shapes[own]) for own, tensor in state.items()})


def names_of(
    weighted: Iterable[tuple[str, nn.Module]], parts: Iterable[str], inner: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The checkpoint's names of the tensors of parts, each with its prefix, by lightgen's; `parts`, `inner`: `fill`."""
    return {
        prefix + own: tuple(_names(part, own, name, inner))
        for (prefix, part), name in zip(weighted, parts, strict=True)
        for own in part.state_dict()
    }


def weighted_parts(sequence: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Parts of a sequence that have weights, in order of use, each with its own prefix, which begins with the given."""
    for name, part in sequence.named_children():
        if type(part) is nn.Sequential:
            yield from weighted_parts(part, f"{prefix}{name}.")
        elif part.state_dict():
            yield f"{prefix}{name}.", part


def _names(part: nn.Module, own: str, name: str, inner: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """The checkpoint's names of one tensor of a part."""
    place, _, leaf = own.rpartition(".")
    # The convolution is the only part of Upsample that has weights.
    places = ("",) if isinstance(part, Upsample) or not place else inner.get(place, (place,))
    return (".".join(filter(None, (name, place, leaf))) for place in places)


def _significant(shape: Iterable[int]) -> tuple[int, ...]:
    """A shape without the ones at its end: a linear layer is a 1x1 convolution."""
    sizes = list(shape)
    while sizes and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)
