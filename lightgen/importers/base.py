"""What importers have in common: from somebody's checkpoint to a tokenizer of lightgen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lightgen.importers.convert import fill
from lightgen.importers.layout import Architecture, Layout, infer, order
from lightgen.importers.reading import read_tensors
from lightgen.quantizers.base import Quantizer
from lightgen.quantizers.codebook import Codebook
from lightgen.tokenizers.quantized import QuantizedAutoencoder
from lightgen.tokenizers.vqgan import VQGAN

DEFAULT_SIZE = 256
"""Of pictures, where nothing tells: all weights that importers were written for were trained at 256."""


@dataclass(frozen=True)
class Imported:
    """A tokenizer, and what to say about how it came about."""

    tokenizer: QuantizedAutoencoder
    notes: tuple[str, ...]


class Importer:
    """Reads one family of published tokenizers."""

    family: ClassVar[str]
    """What it reads, in a few words."""
    layout: ClassVar[Layout]
    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """The values of black and white that the family is trained with."""
    inside: ClassVar[str] = ""
    """How the tokenizer's names begin in a checkpoint that holds other networks too."""
    dropped: ClassVar[tuple[str, ...]] = ()
    """How the names begin of tensors that a tokenizer does without."""

    def __call__(
        self,
        weights: Path,
        config: Path | None = None,
        image_size: int | None = None,
        pixel_range: tuple[float, float] | None = None,
    ) -> Imported:
        """The tokenizer in a checkpoint, in eval mode.

        Args:
            weights: the checkpoint.
            config: the file that describes the architecture; None takes that from the shapes of the tensors.
            image_size: of the square pictures that it is for; None takes the config's, else 256.
            pixel_range: the values of black and white; None takes those that the family is trained with.

        Raises:
            ValueError: in one line, if a file cannot be read, the config asks for what lightgen does not have, or
                tensors are missing, left over or of another shape.
        """
        weights, config = self.locate(weights, config)
        stored = read_tensors(weights)
        kept = self.select(stored)
        tensors = {name: stored[origin] for name, origin in kept.items()}
        try:
            names = self.quantizer_names(tensors)
            a = self.configured(config) if config else infer(tensors, self.layout, names["codes"])
            size, values = image_size or a.image_size or DEFAULT_SIZE, pixel_range or a.pixel_range or self.pixel_range
            tokenizer = self.build(a, self.quantizer(a, tensors), size, values)
            fill(tokenizer, tensors, self.parts(a), self.layout.inner, names)
        except ValueError as error:
            raise ValueError(f"{weights} is no {self.family} that lightgen can read: {error}") from None
        left = Counter(name.split(".")[0] for name in stored.keys() - kept.values())
        notes = [f"left out {name!r}, tensors: {count}" for name, count in sorted(left.items())]
        if image_size is None:
            origin = "as the config says" if a.image_size else "assumed"
            notes.append(f"for pictures of {size}x{size}, {origin}; --image_size says otherwise")
        return Imported(tokenizer.eval(), tuple(notes))

    def locate(self, weights: Path, config: Path | None) -> tuple[Path, Path | None]:
        """The files of weights and config, where the user may have named a folder."""
        return weights, config

    def select(self, names: Iterable[str]) -> dict[str, str]:
        """The names of the tokenizer's tensors, without their common beginning, each with the one in the file."""
        names = list(names)
        start = self.inside if any(name.startswith(self.inside) for name in names) else ""
        own = {name.removeprefix(start): name for name in names if name.startswith(start)}
        return {name: origin for name, origin in own.items() if not name.startswith(self.dropped)}

    def configured(self, config: Path) -> Architecture:
        """The architecture that a config describes."""
        raise ValueError(f"it takes no config, and {config} was given; the shapes of the weights tell all")

    def quantizer(self, a: Architecture, tensors: Mapping[str, Tensor]) -> Quantizer:
        """The quantizer, without its weights."""
        return Codebook(a.vocab_size, a.dim)

    def quantizer_names(self, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        """Names of the quantizer's tensors, by lightgen's."""
        return {"codes": "quantize.embedding.weight"}

    def build(
        self, a: Architecture, quantizer: Quantizer, image_size: int, pixel_range: tuple[float, float]
    ) -> QuantizedAutoencoder:
        """The tokenizer, without its weights."""
        return VQGAN(
            quantizer,
            image_size,
            a.channels,
            a.width,
            a.multipliers,
            a.num_res_blocks,
            [image_size // 2**level for level in sorted(a.attention_levels)],
            latent_channels=a.latent_channels,
            middle_attention=a.middle_attention,
            pixel_range=pixel_range,
        )

    def parts(self, a: Architecture) -> Iterable[str]:
        """The names of the parts with weights, in the order of lightgen's."""
        return order(self.layout, a)
