"""The priors of VQ-Diffusion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from lightgen.conditioners.class_label import ClassLabel
from lightgen.guidance.ramps import ConstantGuidance
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.reading import read_tensor
from lightgen.importers.renaming import Names, Source
from lightgen.networks.vq_diffusion import VQDiffusion
from lightgen.processes.mask_replace import MaskReplace
from lightgen.quantizers.remapped import Remapped
from lightgen.recipe import Recipe
from lightgen.samplers.ancestral import Ancestral
from lightgen.tokenizers.base import Tokenizer
from lightgen.tokenizers.quantized import QuantizedAutoencoder
from lightgen.warps import Warps

NAMES: Names = {
    "token": "transformer.content_emb.emb",
    "row": "transformer.content_emb.height_emb",
    "column": "transformer.content_emb.width_emb",
    "blocks.{i}.step": "transformer.blocks.{i}.ln1.emb",
    "blocks.{i}.norm_1.modulation.1": "transformer.blocks.{i}.ln1.linear",
    "blocks.{i}.attention.to_qkv": tuple(f"transformer.blocks.{{i}}.attn.{part}" for part in ("query", "key", "value")),
    "blocks.{i}.attention.to_out": "transformer.blocks.{i}.attn.proj",
    "blocks.{i}.norm_2.norm": "transformer.blocks.{i}.ln2",
    "blocks.{i}.norm_2.modulation.1": "transformer.blocks.{i}.ln2.linear",
    "blocks.{i}.feed_forward.up": "transformer.blocks.{i}.mlp.conv1",
    "blocks.{i}.feed_forward.down": "transformer.blocks.{i}.mlp.conv2",
    "to_logits.0": "transformer.to_logits.0",
    "to_logits.1": "transformer.to_logits.1",
}
CLASSES = "transformer.blocks.0.ln2.emb.weight"


PIXELS = 16
"""Per side of a token."""


class VQDiffusionImporter(PriorImporter):
    """The priors of VQ-Diffusion by class, and those without any condition."""

    name: ClassVar[str] = "vq-diffusion"
    source: ClassVar[str] = "Gu et al., 2022, arXiv 2111.14822; Tang et al., 2022, arXiv 2205.16007"
    marks: ClassVar[tuple[str, ...]] = ("transformer.content_emb.emb.weight",)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {(512, 24): 16, (512, 20): 16}

    def __init__(
        self,
        tokenizer: str | None = None,
        heads: int | None = None,
        image_size: int | None = None,
        mapping: Path | None = None,
        learnable_cf: bool | None = None,
    ) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            heads: of every attention; default: those of the published model of this size
            image_size: of the square pictures; default: that of the published models, or that of a tokenizer that is a
                checkpoint of lightgen
            mapping: the table of the codes of the tokenizer that it was trained on, as published
                (taming_vqvae_974.pt); default: it was trained on all
            learnable_cf: whether no class has a row of its own, the last one; else it is the mean of all classes;
                default: where there are 1001 rows, as published
        """
        super().__init__(tokenizer, heads)
        self.image_size, self.mapping, self.learnable_cf = image_size, mapping, learnable_cf

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        if "transformer.blocks.0.attn2.key.weight" in tensors:
            raise ValueError("it is told texts, and only models by class, or without a condition, are read")
        vocab_size, dim = size(tensors, self.marks[0], 0) - 1, size(tensors, self.marks[0], 1)
        depth = depth_of(tensors, "transformer.blocks.{i}.")
        hidden = size(tensors, "transformer.blocks.0.mlp.conv1.weight", 0)
        num_steps = size(tensors, "transformer.blocks.0.ln1.emb.weight", 0)
        tables = [size(tensors, f"transformer.content_emb.{axis}_emb.weight", 0) for axis in ("height", "width")]
        rows = size(tensors, CLASSES, 0) if CLASSES in tensors else 0
        learned = rows == 1001 if self.learnable_cf is None else self.learnable_cf
        conditioner = ClassLabel(rows - learned) if rows else None
        heads = self.heads_of(dim, depth)
        published = 256 if (dim, depth) in self.published_heads else None
        pixels = self.image_size or published
        # Its weight in the released config, 1e-3, is of the sum over the steps; its chain hardly replaces any token.
        process = MaskReplace(vocab_size, num_steps, auxiliary=1e-3 * num_steps, mask_share=1 - 1e-6, adaptive=True,
                              schedule="alpha1")  # fmt: skip
        return Plan(
            make=lambda layout: VQDiffusion(
                process.interface(layout, conditioner), dim, depth, heads, hidden, num_steps, (tables[0], tables[1])
            ),
            names=names(depth, learned) if rows else NAMES,
            process=process,
            recipe=Recipe(
                Ancestral(steps=num_steps),
                Warps(top_p=0.94 if rows and learned else 0.86),
                ConstantGuidance(1.5) if rows and learned else None,
            ),
            vocab_size=vocab_size,
            num_tokens=None if pixels is None else (pixels // PIXELS) ** 2,
            # The chain's numbers, those of the training, and a text that nothing reads.
            unused=("log_*", "Lt_*", "empty_text_embed"),
        )

    def stage_one(self, weights: Path, plan: Plan) -> Tokenizer:
        tokenizer = super().stage_one(weights, plan)
        if self.mapping is not None:
            return remapped(tokenizer, read_tensor(self.mapping), plan.vocab_size)
        if tokenizer.layout.vocab_size > plan.vocab_size:
            raise ValueError(f"the prior is of {plan.vocab_size} codes, and the tokenizer of "
                             f"{tokenizer.layout.vocab_size}: give --mapping, the table of those in use")  # fmt: skip
        return tokenizer


def remapped(tokenizer: Tokenizer, numbers: Tensor, vocab_size: int) -> Tokenizer:
    """The tokenizer with new ids for its codes.

    Raises:
        ValueError: in one line, if they do not fit, or there is no codebook.
    """
    if not isinstance(tokenizer, QuantizedAutoencoder):
        raise ValueError(f"{type(tokenizer).__name__} has no codebook that --mapping could be of")
    quantizer = Remapped(tokenizer.quantizer, vocab_size)
    quantizer.number(numbers)
    return tokenizer.with_quantizer(quantizer)


def names(depth: int, learned: bool) -> Names:
    """The keys of the file by those of a network with classes; no class has a row of its own, or the mean of all."""

    def beside(*tables: Tensor) -> Tensor:
        together = torch.cat(tables, 1)
        return together if learned else torch.cat([together, together.mean(0, keepdim=True)])

    keys = tuple(f"transformer.blocks.{block}.ln2.emb.weight" for block in range(depth))
    return {**NAMES, "conditioner.embedding.weight": Source(keys, beside)}
