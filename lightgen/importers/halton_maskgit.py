"""The priors of Halton-MaskGIT."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightgen.conditioners.class_label import ClassLabel
from lightgen.guidance.ramps import ConstantGuidance
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.renaming import Names, Source, renamed
from lightgen.networks.halton_maskgit import HaltonMaskGIT
from lightgen.prior import Prior
from lightgen.processes.maskgit import MaskGIT
from lightgen.recipe import Recipe
from lightgen.samplers.halton import Halton

SCALES = {
    (384, 256): 2.5, (512, 256): 2.0, (768, 256): 1.7, (512, 576): 2.0, (768, 576): 1.7, (1024, 576): 1.5,
}  # fmt: skip
"""Of the guidance in the published table (1 + w), by width and number of tokens."""


def _tied(table: Tensor, head: Tensor) -> Tensor:
    if table is not head and not torch.equal(table, head):
        raise ValueError("head.weight must be tok_emb.weight, and is another tensor")
    return table


NAMES: Names = {
    "token.weight": Source(("tok_emb.weight", "head.weight"), _tied),
    "conditioner.embedding": "cls_emb",
    "cell": "pos_emb.weight",
    "register": "reg_tokens.weight",
    "blocks.{i}.modulation.1": "transformer.layers.{i}.mlp.1",
    "blocks.{i}.norm_1": "transformer.layers.{i}.ln1",
    "blocks.{i}.attention.to_qkv": tuple(f"transformer.layers.{{i}}.attn.{part}" for part in ("wq", "wk", "wv")),
    "blocks.{i}.attention.to_out": "transformer.layers.{i}.attn.wo",
    "blocks.{i}.norm_2": "transformer.layers.{i}.ln2",
    "blocks.{i}.feed_forward.gate": "transformer.layers.{i}.ff.w1",
    "blocks.{i}.feed_forward.up": "transformer.layers.{i}.ff.w3",
    "blocks.{i}.feed_forward.down": "transformer.layers.{i}.ff.w2",
    "last_norm": "last_norm.norm_final",
    "last_bias": "last_norm.norm_final.bias",
    "last_modulation.1": "last_norm.mlp.1",
    "bias": "head.bias",
}


class HaltonMaskGITImporter(PriorImporter):
    """The priors of Halton-MaskGIT on the codes of LlamaGen, by class."""

    name: ClassVar[str] = "halton-maskgit"
    source: ClassVar[str] = "Besnier et al., 2025, arXiv 2503.17076"
    marks: ClassVar[tuple[str, ...]] = ("reg_tokens.weight",)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {
        (384, 6): 6, (512, 12): 6, (768, 12): 12, (1024, 24): 16,
    }  # fmt: skip

    @classmethod
    def exported(cls, prior: Prior) -> dict[str, Any] | None:
        network = prior.network
        if not isinstance(network, HaltonMaskGIT) or not isinstance(network.conditioner, ClassLabel):
            return None
        table = network.token.weight.detach()
        tied = {"tok_emb.weight": table, "head.weight": table}
        return {"iter": 0, "global_epoch": 0, "model_state_dict": {**renamed(network, NAMES), **tied}}

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        dim, depth = size(tensors, "tok_emb.weight", 1), depth_of(tensors, "transformer.layers.{i}.")
        vocab_size, num_tokens = size(tensors, "tok_emb.weight", 0) - 1, size(tensors, "pos_emb.weight", 0)
        num_classes = size(tensors, "cls_emb.weight", 0) - 1
        inner = size(tensors, "transformer.layers.0.attn.wq.weight", 0)
        hidden = size(tensors, "transformer.layers.0.ff.w1.weight", 0)
        heads = self.heads_of(dim, depth, inner)
        process = MaskGIT(vocab_size, label_smoothing=0.0)
        scale = SCALES.get((dim, num_tokens), 1.5)
        return Plan(
            make=lambda layout: HaltonMaskGIT(
                process.interface(layout, ClassLabel(num_classes)), dim, depth, heads, inner // heads, hidden
            ),
            names=NAMES,
            process=process,
            recipe=Recipe(Halton(steps=32, randomize=True), guidance=ConstantGuidance(scale)),
            vocab_size=vocab_size,
            num_tokens=num_tokens,
        )
