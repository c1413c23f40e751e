"""The VQ-GAN of Unleashing transformers: the parts of encoder and decoder are numbered, one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.importers.keys import Architecture, KeyMap, listed
from lightgen.importers.taming import INNER
from lightgen.importers.vqgan_importer import VQGANImporter
from lightgen.quantizers.base import Quantizer
from lightgen.tokenizers.quantized import QuantizedAutoencoder
from lightgen.tokenizers.vqgan import VQGAN

CODES = "quantize.embedding.weight"
KINDS = {"conv1.weight": "residual", "q.weight": "attention", "conv.weight": "resample", "weight": "plain"}
"""What a part is that has a tensor of this name, the first of these."""


class UnleashingVQGAN(VQGANImporter):
    """The VQ-GANs of Unleashing transformers."""

    name: ClassVar[str] = "unleashing-vqgan"
    source: ClassVar[str] = "Bond-Taylor et al., 2022, arXiv 2111.12701"
    marks: ClassVar[tuple[str, ...]] = (f"ae.{CODES}",)
    inside: ClassVar[str] = "ae."
    default_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    # A head that another objective of the same code trains.
    dropped: ClassVar[tuple[str, ...]] = ("generator.logsigma.",)
    keys = KeyMap(down="", up="", upsample="", middle=(), inner={**INNER, "skip": ("conv_out",)})

    def prepared(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Without the 1x1 convolutions of residual blocks that do without, and with identities around the codes."""
        kept = {key: tensor for key, tensor in tensors.items() if not _idle(key, tensors)}
        if CODES in tensors:
            dim = tensors[CODES].shape[1]
            for name in ("quant_conv", "post_quant_conv"):
                kept |= {f"{name}.weight": torch.eye(dim)[..., None, None], f"{name}.bias": torch.zeros(dim)}
        return kept

    def architecture(self, weights: Path, tensors: Mapping[str, Tensor]) -> Architecture:
        start = "encoder.blocks.0.weight"
        if missing := [key for key in (start, CODES) if key not in tensors]:
            raise ValueError(f"missing: {listed(missing)}; there are: {listed(sorted(tensors))}")
        dim = tensors[CODES].shape[1]
        levels = _levels(_parts(tensors)[1:-5])
        first = tensors[start]
        width = int(first.shape[0])
        outputs = [tensors[f"encoder.blocks.{level[0][0]}.conv1.weight"].shape[0] for level in levels]
        return Architecture(
            channels=int(first.shape[1]),
            width=width,
            multipliers=tuple(int(output) // width for output in outputs),
            num_res_blocks=sum(kind == "residual" for _, kind in levels[0]),
            latent_channels=int(dim),
            vocab_size=int(tensors[CODES].shape[0]),
            dim=int(dim),
            attention_levels=frozenset(
                number for number, level in enumerate(levels) if any(kind == "attention" for _, kind in level)
            ),
            middle_attention=True,
        )

    def build(
        self, a: Architecture, quantizer: Quantizer, image_size: int, pixel_range: tuple[float, float]
    ) -> QuantizedAutoencoder:
        return VQGAN(
            quantizer,
            image_size,
            a.channels,
            a.width,
            a.multipliers,
            a.num_res_blocks,
            [image_size // 2**level for level in sorted(a.attention_levels)],
            pixel_range=pixel_range,
            decoder_res_blocks=a.num_res_blocks,
        )

    def parts(self, a: Architecture) -> Iterable[str]:
        attention = sum(level in a.attention_levels for level in range(a.num_levels))
        # A convolution, the levels and what is between them, three parts in the middle, a norm, a convolution.
        num = a.num_levels * a.num_res_blocks + attention * a.num_res_blocks + a.num_levels - 1 + 6
        yield from _numbered("encoder", num, _resamples(a, up=False))
        yield from ("quant_conv", "post_quant_conv")
        yield from _numbered("generator", num, _resamples(a, up=True))


def _idle(key: str, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a tensor belongs to a convolution that leaves the number of channels as it is, and is not used."""
    block, found, _ = key.rpartition(".conv_out.")
    before, after = (tensors.get(f"{block}.norm{n}.weight") for n in (1, 2))
    return bool(found) and before is not None and after is not None and before.shape == after.shape


def _parts(tensors: Mapping[str, Tensor]) -> list[tuple[int, str]]:
    """The parts of the encoder, each with its number and what it is.

    Raises:
        ValueError: if one of the numbers is missing.
    """
    numbers = sorted({int(match[1]) for match in map(re.compile(r"encoder\.blocks\.(\d+)\.").match, tensors) if match})
    if missing := [f"encoder.blocks.{n}" for n in range(max(numbers)) if n not in numbers]:
        raise ValueError(f"missing: {listed(missing)}")
    return [(n, next((k for t, k in KINDS.items() if f"encoder.blocks.{n}.{t}" in tensors), "")) for n in numbers]


def _levels(parts: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """The residual blocks and attention of each level."""
    levels: list[list[tuple[int, str]]] = [[]]
    for part in parts:
        if part[1] == "resample":
            levels.append([])
        else:
            levels[-1].append(part)
    if not all(level and level[0][1] == "residual" for level in levels):
        raise ValueError("every level of the encoder must begin with a residual block (conv1.weight)")
    return levels


def _resamples(a: Architecture, up: bool) -> set[int]:
    """The numbers of the parts between the levels."""
    found, number = set(), 4 if up else 1
    order = list(reversed(range(a.num_levels))) if up else list(range(a.num_levels))
    for level in order[:-1]:
        number += a.num_res_blocks * (2 if level in a.attention_levels else 1)
        found.add(number)
        number += 1
    return found


def _numbered(half: str, num: int, resamples: set[int]) -> Iterator[str]:
    for number in range(num):
        yield f"{half}.blocks.{number}" + (".conv" if number in resamples else "")
