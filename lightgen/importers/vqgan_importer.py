"""What importers of VQ-GANs have in common."""

from __future__ import annotations

import json
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import yaml
from torch import Tensor

from lightgen.importers.base import Imported, Importer, another_kind
from lightgen.importers.convert import fill
from lightgen.importers.keys import Architecture, KeyMap
from lightgen.importers.reading import read_tensors
from lightgen.quantizers.base import Quantizer
from lightgen.quantizers.codebook import Codebook
from lightgen.tokenizers.base import Tokenizer
from lightgen.tokenizers.quantized import QuantizedAutoencoder
from lightgen.tokenizers.vqgan import VQGAN

DEFAULT_SIZE = 256
"""Of pictures, where nothing tells: all weights that importers were written for were trained at 256."""


class VQGANImporter(Importer):
    """Reads a family of VQ-GANs whose parts have names of their own; the shapes of the tensors tell the sizes."""

    default_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    """The values of black and white that the family is trained with."""
    inside: ClassVar[str] = ""
    """How the tokenizer's keys begin in a checkpoint that holds other networks too."""
    dropped: ClassVar[tuple[str, ...]] = ()
    """How the keys begin of tensors that a tokenizer does without."""

    def __init__(self, image_size: int | None = None, pixel_range: tuple[float, float] | None = None) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            image_size: of the square pictures that it is for; default: the config's, else 256
            pixel_range: the values of black and white, e.g. [0, 1]; default: those that the family is trained with
        """
        if image_size is not None and image_size < 1:
            raise ValueError(f"image_size must be at least 1, not {image_size}")
        self.image_size = image_size
        self.pixel_range = pixel_range

    @property
    @abstractmethod
    def keys(self) -> KeyMap:
        """How the family's checkpoints name the parts."""

    def __call__(self, weights: Path) -> Imported:
        return self.imported(weights)

    def tokenizer(self, weights: Path, num_tokens: int) -> Tokenizer:
        """The tokenizer for square pictures of so many tokens, as a prior was trained on.

        Raises:
            ValueError: as the call.
        """
        component = self.imported(weights, math.isqrt(num_tokens)).component
        assert isinstance(component, Tokenizer)
        return component

    def imported(self, weights: Path, side: int | None = None) -> Imported:
        """The same as the call, for pictures with so many tokens along a side, where that is given."""
        weights = self.file(weights)
        stored = read_tensors(weights)
        kept = self.select(stored)
        tensors = self.prepared({key: stored[origin] for key, origin in kept.items()})
        try:
            a = self.architecture(weights, tensors)
            told = None if side is None else side * 2 ** (a.num_levels - 1)
            size = self.image_size or told or a.image_size or DEFAULT_SIZE
            pixel_range = self.pixel_range or a.pixel_range or self.default_range
            tokenizer = self.build(a, self.quantizer(a, tensors), size, pixel_range)
            fill(tokenizer, self.arranged(tensors), self.parts(a), self.keys.inner, self.quantizer_keys(tensors))
        except ValueError as error:
            other = another_kind(type(self), stored)
            raise ValueError(f"{weights} cannot be imported as {self.name}: {error}{other}") from None
        left = Counter(key.split(".")[0] for key in stored.keys() - kept.values())
        notes = [f"left out {key!r}, tensors: {count}" for key, count in sorted(left.items())]
        if self.image_size is None:
            origin = "as the config says" if a.image_size else "assumed"
            notes.append(f"for pictures of {size}x{size}, {origin}; --image_size says otherwise")
        return Imported(tokenizer.eval(), tuple(notes))

    def file(self, weights: Path) -> Path:
        """The file of the tensors, where the user may have named a folder."""
        return weights

    def select(self, keys: Iterable[str]) -> dict[str, str]:
        """The keys of the tokenizer's tensors, without their common beginning, each with the one in the file."""
        keys = list(keys)
        start = self.inside if any(key.startswith(self.inside) for key in keys) else ""
        own = {key.removeprefix(start): key for key in keys if key.startswith(start)}
        return {key: origin for key, origin in own.items() if not key.startswith(self.dropped)}

    def prepared(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors with what the family leaves out, and without what it does not use."""
        return tensors

    def arranged(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """The tensors by the same keys, laid out as lightgen's are."""
        return tensors

    def architecture(self, weights: Path, tensors: Mapping[str, Tensor]) -> Architecture:
        """The sizes of all parts, from the file's tensors or from what lies beside it."""
        return self.keys.architecture(tensors, self.quantizer_keys(tensors)["codes"])

    def quantizer(self, a: Architecture, tensors: Mapping[str, Tensor]) -> Quantizer:
        """The quantizer, without its weights."""
        return Codebook(a.vocab_size, a.dim)

    def quantizer_keys(self, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        """Keys of the quantizer's tensors, by lightgen's names."""
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
        """The keys of the parts with weights, in the order of lightgen's."""
        return self.keys.parts(a)


class ConfiguredVQGANImporter(VQGANImporter):
    """Reads a family of VQ-GANs that are published with a config, which counts before the shapes."""

    def __init__(
        self,
        config: Path | None = None,
        image_size: int | None = None,
        pixel_range: tuple[float, float] | None = None,
    ) -> None:
        """What describes it, and what that does not tell.

        Args:
            config: the YAML or JSON that came with the weights; default: the shapes of the tensors tell its sizes
            image_size: of the square pictures that it is for; default: the config's, else 256
            pixel_range: the values of black and white, e.g. [0, 1]; default: those that the family is trained with
        """
        super().__init__(image_size, pixel_range)
        self.config = config

    def config_file(self, weights: Path) -> Path | None:
        """The config of a file of weights; None if there is none."""
        return self.config

    @abstractmethod
    def configured(self, settings: Any) -> Architecture:
        """The architecture that a config's contents describe.

        Raises:
            ValueError: if it asks for what lightgen does not have.
            KeyError, TypeError, AttributeError: if it is no such config.
        """

    def architecture(self, weights: Path, tensors: Mapping[str, Tensor]) -> Architecture:
        config = self.config_file(weights)
        if config is None:
            return super().architecture(weights, tensors)
        try:
            text = config.read_text(encoding="utf-8")
            return self.configured(json.loads(text) if config.suffix == ".json" else yaml.safe_load(text))
        except (OSError, json.JSONDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
            raise ValueError(f"{config} is no config of {self.name}: {reason}") from None
