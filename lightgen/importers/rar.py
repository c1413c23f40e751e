"""The priors of RAR."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lightgen.conditioners.class_label import ClassLabel
from lightgen.guidance.ramps import PowerCosineGuidance
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.renaming import Source
from lightgen.networks.rar import RAR
from lightgen.processes.causal import Causal
from lightgen.recipe import Recipe
from lightgen.samplers.autoregressive import Autoregressive
from lightgen.warps import Warps

SPARE = {"pos_embed": 1024, "timesteps_embeddings": 100}
"""Rows of the tables beside those of the tokens; few of them are read."""
RECIPES = {768: (1.0, 16.0, 2.75), 1024: (1.02, 15.5, 2.5), 1280: (1.02, 6.9, 1.5), 1408: (1.02, 8.0, 1.2)}
"""Temperature, and scale and power of the guidance in the published table, by width."""


class RARImporter(PriorImporter):
    """The priors of RAR on the codes of MaskGIT, by class."""

    name: ClassVar[str] = "rar"
    licence: ClassVar[str] = "for research purposes only; the code's is Apache-2.0"
    source: ClassVar[str] = "Yu et al., 2024, arXiv 2411.00776"
    marks: ClassVar[tuple[str, ...]] = ("target_aware_pos_embed",)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {
        (768, 24): 16, (1024, 24): 16, (1280, 32): 16, (1408, 40): 16,
    }  # fmt: skip

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        vocab_size, dim = (size(tensors, "lm_head.weight", axis) for axis in (0, 1))
        depth, hidden = depth_of(tensors, "blocks.{i}."), size(tensors, "blocks.0.mlp.fc1.weight", 0)
        num_classes = size(tensors, "embeddings.weight", 0) - vocab_size - 2
        num_tokens = size(tensors, "pos_embed", 1) - SPARE["pos_embed"]
        if num_classes < 1 or num_tokens < 1:
            raise ValueError("of another shape: embeddings.weight or pos_embed has too few rows")
        heads, process = self.heads_of(dim, depth), Causal(vocab_size)
        temperature, scale, power = RECIPES.get(dim, (1.0, 4.0, 1.0))
        guidance = PowerCosineGuidance(scale, power=power, ends="left")
        return Plan(
            make=lambda layout: RAR(process.interface(layout, ClassLabel(num_classes)), dim, depth, heads, hidden),
            names=names(vocab_size, num_tokens),
            process=process,
            recipe=Recipe(Autoregressive(), Warps(temperature), guidance),
            vocab_size=vocab_size,
            num_tokens=num_tokens,
        )


def names(vocab_size: int, num_tokens: int) -> dict[str, str | Source]:
    """The keys of the file by those of the network."""

    def table(key: str, first: int, last: int) -> Source:
        return Source((key,), lambda rows: rows.reshape(-1, rows.shape[-1])[first:last])

    words = "embeddings.weight"
    return {
        "start": "cls_token",
        # One table has the codes, MASK, the classes, and no class.
        "token.weight": table(words, 0, vocab_size + 1),
        "conditioner.embedding.weight": Source((words,), lambda rows: rows[vocab_size + 1 :]),
        "position": table("pos_embed", 0, 2 + num_tokens),
        "target": table("target_aware_pos_embed", 2, 2 + num_tokens),
        "place": table("timesteps_embeddings", 0, 1 + num_tokens),
        "blocks.{i}.norm_1": "blocks.{i}.norm1",
        "blocks.{i}.attention.to_qkv": "blocks.{i}.attn.qkv",
        "blocks.{i}.attention.query_norm": "blocks.{i}.attn.q_norm",
        "blocks.{i}.attention.key_norm": "blocks.{i}.attn.k_norm",
        "blocks.{i}.attention.to_out": "blocks.{i}.attn.proj",
        "blocks.{i}.norm_2": "blocks.{i}.norm2",
        "blocks.{i}.feed_forward.0": "blocks.{i}.mlp.fc1",
        "blocks.{i}.feed_forward.2": "blocks.{i}.mlp.fc2",
        "blocks.{i}.modulation.1": "blocks.{i}.adaLN_modulation.1",
        "last_modulation.1": "adaln_before_head.adaLN_modulation.1",
        "to_logits.0": "lm_head",
    }
