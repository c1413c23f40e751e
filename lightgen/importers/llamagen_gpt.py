"""The priors of LlamaGen, by class and by text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import pad

from lightgen.conditioners.base import Conditioner
from lightgen.conditioners.class_label import ClassLabel
from lightgen.conditioners.text_prefix import TextPrefix
from lightgen.guidance.ramps import ConstantGuidance
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, lasting, require_width, size
from lightgen.importers.renaming import Names, Source, renamed
from lightgen.networks.llama import Llama
from lightgen.prior import Prior
from lightgen.processes.causal import Causal
from lightgen.recipe import Recipe
from lightgen.samplers.autoregressive import Autoregressive
from lightgen.text_encoders.pretrained import PretrainedText
from lightgen.warps import Warps

PIXELS = 16
"""Per side of a token."""

T5 = "google/flan-t5-xl"
"""What reads the texts."""

SCALES = {1280: 1.75, 1536: 1.75, 3200: 1.65}
"""Of the guidance in the published table, by width; 2 in smaller ones."""


NAMES: Names = {
    # The row of MASK is never read: the class stands before the first token.
    "token.weight": Source(("tok_embeddings.weight",), lambda table: pad(table, (0, 0, 0, 1))),
    "conditioner.embedding": "cls_embedding.embedding_table",
    "conditioner.null": "cls_embedding.uncond_embedding",
    "conditioner.to_tokens.0": "cls_embedding.cap_proj.fc1",
    "conditioner.to_tokens.2": "cls_embedding.cap_proj.fc2",
    "blocks.{i}.norm_1": "layers.{i}.attention_norm",
    "blocks.{i}.attention.to_qkv": "layers.{i}.attention.wqkv",
    "blocks.{i}.attention.to_out": "layers.{i}.attention.wo",
    "blocks.{i}.norm_2": "layers.{i}.ffn_norm",
    "blocks.{i}.feed_forward.gate": "layers.{i}.feed_forward.w1",
    "blocks.{i}.feed_forward.up": "layers.{i}.feed_forward.w3",
    "blocks.{i}.feed_forward.down": "layers.{i}.feed_forward.w2",
    "to_logits.0": "norm",
    "to_logits.1": "output",
}


class LlamaGenGPT(PriorImporter):
    """The priors of LlamaGen, by class (c2i)."""

    reads: ClassVar[type[Conditioner]] = ClassLabel
    """What their conditioner is."""

    name: ClassVar[str] = "llamagen-gpt"
    source: ClassVar[str] = "Sun et al., 2024, arXiv 2406.06525"
    marks: ClassVar[tuple[str, ...]] = ("cls_embedding.embedding_table.weight",)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {
        (768, 12): 12, (1024, 24): 16, (1280, 36): 20, (1536, 48): 24, (3200, 24): 32,
    }  # fmt: skip

    def __init__(self, tokenizer: str | None = None, heads: int | None = None, image_size: int | None = None) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            heads: of every attention; default: those of the published model of this size
            image_size: of the square pictures; default: that in the name of the file, as published (c2i_B_256.pt), or
                that of a tokenizer that is a checkpoint of lightgen
        """
        super().__init__(tokenizer, heads)
        self.image_size = image_size

    @classmethod
    def exported(cls, prior: Prior) -> dict[str, Any] | None:
        network = prior.network
        if not isinstance(network, Llama) or type(network.conditioner) is not cls.reads:
            return None
        codes = network.token.weight.detach()[:-1].clone()
        return {"model": {"tok_embeddings.weight": codes, **renamed(network, NAMES)}}

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        vocab_size, dim = (size(tensors, "tok_embeddings.weight", axis) for axis in (0, 1))
        depth, hidden = depth_of(tensors, "layers.{i}."), size(tensors, "layers.0.feed_forward.w1.weight", 0)
        conditioner = self.conditioner(tensors)
        heads, process = self.heads_of(dim, depth), Causal(vocab_size)
        named = re.search(r"_(256|384|512)\b", weights.stem)
        pixels = self.image_size or (int(named[1]) if named else None)
        return Plan(
            make=lambda layout: Llama(process.interface(layout, conditioner), dim, depth, heads, hidden),
            names=NAMES,
            process=process,
            recipe=self.recipe(dim),
            vocab_size=vocab_size,
            num_tokens=None if pixels is None else (pixels // PIXELS) ** 2,
            # Positions, which some files have; they follow from the sizes.
            unused=("freqs_cis",),
        )

    def conditioner(self, tensors: Mapping[str, Tensor]) -> Conditioner:
        """What it is told."""
        return ClassLabel(size(tensors, self.marks[0], 0) - 1)

    def recipe(self, dim: int) -> Recipe:
        """That of the published table, for a width."""
        return Recipe(Autoregressive(), guidance=ConstantGuidance(SCALES.get(dim, 2.0)))


class LlamaGenT2I(LlamaGenGPT):
    """The priors of LlamaGen, by text (t2i)."""

    name: ClassVar[str] = "llamagen-t2i"
    marks: ClassVar[tuple[str, ...]] = ("cls_embedding.uncond_embedding",)
    reads: ClassVar[type[Conditioner]] = TextPrefix

    def __init__(
        self,
        tokenizer: str | None = None,
        text_encoder: str = T5,
        heads: int | None = None,
        image_size: int | None = None,
    ) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            text_encoder: a folder of transformers, or a name on the Hub; default: the published one
            heads: of every attention; default: those of the published model of this size
            image_size: of the square pictures; default: that in the name of the file, as published
                (t2i_XL_stage1_256.pt), or that of a tokenizer that is a checkpoint of lightgen
        """
        super().__init__(tokenizer, heads, image_size)
        self.text_encoder = text_encoder

    def conditioner(self, tensors: Mapping[str, Tensor]) -> Conditioner:
        length, width = (size(tensors, self.marks[0], axis) for axis in (0, 1))
        encoder = PretrainedText(lasting(self.text_encoder), length)
        require_width(encoder, width)
        return TextPrefix(encoder)

    def recipe(self, dim: int) -> Recipe:
        """That of the published script for texts."""
        return Recipe(Autoregressive(), Warps(top_k=1000), ConstantGuidance(7.5))
