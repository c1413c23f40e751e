"""The keys of a VQ-GAN's tensors in published checkpoints, and what the shapes of the tensors say about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Architecture:
    """The sizes of an encoder and a decoder, and of the codes between them."""

    channels: int
    width: int
    multipliers: tuple[int, ...]
    num_res_blocks: int
    latent_channels: int
    vocab_size: int
    dim: int
    attention_levels: frozenset[int] = field(default_factory=frozenset)
    middle_attention: bool = False
    image_size: int | None = None
    pixel_range: tuple[float, float] | None = None

    @property
    def num_levels(self) -> int:
        """Resolutions; one token stands for a square of 2^(num_levels - 1) pixels."""
        return len(self.multipliers)


@dataclass(frozen=True)
class KeyMap:
    """The keys of the parts. `{level}` counts from full resolution, `{step}` from the latent, `{block}` in a level.

    What a family does not have, or has without weights, is the empty string.
    """

    down: str
    up: str
    upsample: str
    middle: tuple[str, ...]
    """The residual blocks next to the latent."""
    inner: Mapping[str, tuple[str, ...]]
    """Keys inside residual and attention blocks, by lightgen's names; several are stacked into one tensor."""
    downsample: str = ""
    down_attention: str = ""
    up_attention: str = ""
    middle_attention: str = ""
    norm_out: str = "norm_out"
    around: tuple[str, ...] = ("quant_conv", "post_quant_conv")
    """The 1x1 convolutions before and after the quantizer."""
    more_up_blocks: int = 1
    """How many residual blocks a level of the decoder has more than one of the encoder."""

    def architecture(self, tensors: Mapping[str, Tensor], codes: str) -> Architecture:
        """What the shapes of an encoder's tensors tell: all but the size of the pictures and their pixels' range.

        Args:
            tensors: of the checkpoint, by their keys.
            codes: the key of the codebook (V, dim).

        Raises:
            ValueError: if tensors that every such checkpoint has are missing.
        """
        first, last = "encoder.conv_in.weight", "encoder.conv_out.weight"
        blocks = _find(f"{self.down}.conv1.weight", tensors)
        missing = [key for key in (first, last, codes) if key not in tensors]
        missing += [] if blocks else [self.down.format(level=0, block=0) + ".conv1.weight"]
        if missing:
            there = sorted(set(tensors) - {first, last, codes})
            raise ValueError(f"missing: {listed(missing)}; there are: {listed(there)}")
        width, channels = tensors[first].shape[:2]
        num_levels = 1 + max(level for level, _ in blocks)
        wide = {level: int(tensor.shape[0]) for (level, _), tensor in blocks.items()}
        attention = (
            _find(f"{self.down_attention}.{self.inner['to_out'][0]}.weight", tensors) if self.down_attention else {}
        )
        return Architecture(
            channels=int(channels),
            width=int(width),
            # A level that is not there at all is reported as missing later on.
            multipliers=tuple(wide.get(level, width) // width for level in range(num_levels)),
            num_res_blocks=1 + max(block for _, block in blocks),
            latent_channels=int(tensors[last].shape[0]),
            vocab_size=int(tensors[codes].shape[0]),
            dim=int(tensors[codes].shape[1]),
            attention_levels=frozenset(level for level, _ in attention),
            middle_attention=bool(self.middle_attention)
            and any(key.startswith(f"encoder.{self.middle_attention}.") for key in tensors),
        )

    def parts(self, a: Architecture) -> Iterator[str]:
        """The keys of the parts that have weights, of the encoder, then of the decoder, in the order they are used."""
        first, *rest = self.middle
        middle = [first, *([self.middle_attention] if a.middle_attention else []), *rest]
        yield "encoder.conv_in"
        for level in range(a.num_levels):
            yield from _level(self.down, self.down_attention, a, level, a.num_res_blocks)
            if self.downsample and level + 1 < a.num_levels:
                yield _at(self.downsample, a, level)
        yield from (f"encoder.{key}" for key in (*middle, self.norm_out, "conv_out"))
        yield from self.around
        yield from (f"decoder.{key}" for key in ("conv_in", *middle))
        for level in reversed(range(a.num_levels)):
            yield from _level(self.up, self.up_attention, a, level, a.num_res_blocks + self.more_up_blocks)
            if level > 0:
                yield _at(self.upsample, a, level)
        yield from (f"decoder.{key}" for key in (self.norm_out, "conv_out"))


def listed(keys: list[str], most: int = 10) -> str:
    """Keys in one line, the first few of many."""
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + more


def _level(blocks: str, attention: str, a: Architecture, level: int, num: int) -> Iterator[str]:
    for block in range(num):
        yield _at(blocks, a, level, block)
        if level in a.attention_levels:
            yield _at(attention, a, level, block)


def _at(template: str, a: Architecture, level: int, block: int = 0) -> str:
    return template.format(level=level, step=a.num_levels - 1 - level, block=block)


def _find(template: str, tensors: Mapping[str, Tensor]) -> dict[tuple[int, int], Tensor]:
    """Tensors by level and block."""
    pattern = re.escape(template).replace(r"\{level\}", r"(?P<level>\d+)").replace(r"\{block\}", r"(?P<block>\d+)")
    found = ((re.fullmatch(pattern, key), tensor) for key, tensor in tensors.items())
    return {(int(match["level"]), int(match["block"])): tensor for match, tensor in found if match}
