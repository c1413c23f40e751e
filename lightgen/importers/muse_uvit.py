"""The prior of MUSE-Pytorch on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lightgen.conditioners.class_label import ClassLabel
from lightgen.guidance.ramps import LinearGuidance
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.renaming import Source
from lightgen.importers.uvit import UVIT_NAMES
from lightgen.importers.word_table import codes_in, split
from lightgen.networks.uvit import UViT
from lightgen.processes.maskgit import MaskGIT as Process
from lightgen.recipe import Recipe
from lightgen.samplers.maskgit import MaskGIT

WORDS = "token_emb.word_embeddings.weight"
PLACES = "token_emb.position_embeddings.weight"
SCALE = 3.0
"""g of (1 + g) l_c - g l_null at the end of the ramp."""


class MUSEUViT(PriorImporter):
    """The prior of MUSE-Pytorch on ImageNet, a U-ViT, by class."""

    name: ClassVar[str] = "muse-uvit"
    source: ClassVar[str] = "Chang et al., 2023, arXiv 2301.00704; Bao et al., 2022, arXiv 2209.12152"
    marks: ClassVar[tuple[str, ...]] = ("mlm_layer.fc.weight",)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {(768, 13): 12}

    def __init__(self, tokenizer: str | None = None, heads: int | None = None, num_classes: int = 1000) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what it was trained on: published weights of any kind, or a checkpoint of lightgen
            heads: of every attention; default: those of the published model of this size
            num_classes: that it was trained with, beside no class
        """
        super().__init__(tokenizer, heads)
        self.num_classes = num_classes

    def file(self, weights: Path) -> Path:
        return weights / "nnet_ema.pth" if weights.is_dir() else weights

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        rows, dim = (size(tensors, WORDS, axis) for axis in (0, 1))
        depth, hidden = 2 * depth_of(tensors, "in_blocks.{i}.") + 1, size(tensors, "mid_block.mlp.fc1.weight", 0)
        heads, vocab_size = self.heads_of(dim, depth), codes_in(rows, self.num_classes + 2)
        process = Process(vocab_size)
        return Plan(
            make=lambda layout: UViT(
                process.interface(layout, ClassLabel(self.num_classes, dropout=0.15)), dim, depth, heads, hidden, True
            ),
            names={
                **split(WORDS, vocab_size),
                "position": PLACES,
                "norm": "token_emb.LayerNorm",
                **UVIT_NAMES,
                "to_logits.0": "mlm_layer.fc",
                "to_logits.2": "mlm_layer.ln",
                "bias": Source(("mlm_layer.bias",), lambda bias: bias.flatten()[:vocab_size]),
            },
            process=process,
            recipe=Recipe(MaskGIT(annealed=True), guidance=LinearGuidance(1 + SCALE, ends="left")),
            vocab_size=vocab_size,
            num_tokens=size(tensors, PLACES, 0) - 1,
            unused=("token_emb.position_ids",),
        )
