"""TiTok: priors on sequences of tokens, and the tokenizers that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from lightgen.conditioners.class_label import ClassLabel
from lightgen.guidance.base import Guidance
from lightgen.guidance.ramps import LinearGuidance, PowerCosineGuidance
from lightgen.importers.base import Imported
from lightgen.importers.prior_importer import Plan, PriorImporter, depth_of, size
from lightgen.importers.reading import read_tensors
from lightgen.importers.renaming import Names, Source
from lightgen.importers.titok_tokenizer import MARK, new_tokenizer
from lightgen.importers.uvit import UVIT_NAMES
from lightgen.importers.word_table import split
from lightgen.networks.bert import BERT
from lightgen.networks.uvit import UViT
from lightgen.pretrained import located
from lightgen.processes.maskgit import MaskGIT as Process
from lightgen.recipe import Recipe
from lightgen.samplers.maskgit import MaskGIT
from lightgen.schedules import Arccos
from lightgen.tokenizers.base import Tokenizer
from lightgen.warps import Warps

WORDS, PLACES = "model.embeddings.word_embeddings.weight", "model.embeddings.position_embeddings.weight"
TYPES, HEAD = "model.embeddings.token_type_embeddings.weight", "model.lm_head.weight"
_LAYER = "model.encoder.layer.{i}"
BERT_NAMES: Names = {
    # All tokens are of the first type.
    "position": Source((PLACES, TYPES), lambda places, types: places + types[0]),
    "norm": "model.embeddings.LayerNorm",
    "blocks.{i}.attention.to_qkv": tuple(f"{_LAYER}.attention.self.{part}" for part in ("query", "key", "value")),
    "blocks.{i}.attention.to_out": f"{_LAYER}.attention.output.dense",
    "blocks.{i}.norm_1": f"{_LAYER}.attention.output.LayerNorm",
    "blocks.{i}.feed_forward.0": f"{_LAYER}.intermediate.dense",
    "blocks.{i}.feed_forward.2": f"{_LAYER}.output.dense",
    "blocks.{i}.norm_2": f"{_LAYER}.output.LayerNorm",
    "to_logits.0": "model.lm_head",
}
RECIPES: Mapping[int, tuple[int, float, Guidance]] = {
    32: (8, 9.5, LinearGuidance(1 + 4.5, ends="left")),
    64: (8, 11.0, LinearGuidance(1 + 3.0, ends="left")),
    128: (64, 2.8, PowerCosineGuidance(6.9, power=3.0, ends="left")),
}
"""Steps, temperature of the choice, and guidance of the published models, by number of tokens."""


class TiTok(PriorImporter):
    """The priors of TiTok, by class: BERT on 32 or 64 tokens a picture, U-ViT on 128; and the tokenizers of these."""

    name: ClassVar[str] = "titok"
    licence: ClassVar[str] = "not stated; the code's is Apache-2.0"
    source: ClassVar[str] = "Yu et al., 2024, arXiv 2406.07550"
    # MUSE-Pytorch's U-ViT has the second one too, and comes before this kind by its mark.
    marks: ClassVar[tuple[str, ...]] = (HEAD, "mid_block.norm1.weight", MARK)
    published_heads: ClassVar[Mapping[tuple[int, int], int]] = {(768, 24): 16, (1024, 21): 16}

    def __init__(self, tokenizer: str | None = None, heads: int | None = None) -> None:
        """What the shapes of the tensors do not tell.

        Args:
            tokenizer: what a prior was trained on: published weights, or a checkpoint of lightgen
            heads: of every attention; default: those of the published model of this size
        """
        super().__init__(tokenizer, heads)

    def file(self, weights: Path) -> Path:
        return weights / "model.safetensors" if weights.is_dir() else weights

    def __call__(self, weights: Path) -> Imported:
        if MARK not in read_tensors(self.file(weights)):
            return super().__call__(weights)
        try:
            return Imported(new_tokenizer(read_tensors(self.file(weights)), self.heads))
        except ValueError as error:
            raise ValueError(f"{weights} cannot be imported as {self.name}: {error}") from None

    def stage_one(self, weights: Path, plan: Plan) -> Tokenizer:
        path = self.file(located(self.tokenizer)) if self.tokenizer else weights
        if path.is_file() and MARK in read_tensors(path):
            tokenizer = TiTok()(path).component
            assert isinstance(tokenizer, Tokenizer)
            return tokenizer
        return super().stage_one(weights, plan)

    def plan(self, tensors: Mapping[str, Tensor], weights: Path) -> Plan:
        return self._bert(tensors) if HEAD in tensors else self._uvit(tensors)

    def _bert(self, tensors: Mapping[str, Tensor]) -> Plan:
        vocab_size, dim = (size(tensors, HEAD, axis) for axis in (0, 1))
        depth = depth_of(tensors, f"{_LAYER}.")
        heads, hidden = self.heads_of(dim, depth), size(tensors, f"{_LAYER}.intermediate.dense.weight".format(i=0), 0)
        process, classes = Process(vocab_size), ClassLabel(size(tensors, WORDS, 0) - vocab_size - 2)
        num_tokens = size(tensors, PLACES, 0) - 1
        return Plan(
            make=lambda layout: BERT(process.interface(layout, classes), dim, depth, heads, hidden, tied=False),
            names={**split(WORDS, vocab_size), **BERT_NAMES},
            process=process,
            recipe=_recipe(num_tokens),
            vocab_size=vocab_size,
            num_tokens=num_tokens,
            unused=("model.embeddings.position_ids",),
        )

    def _uvit(self, tensors: Mapping[str, Tensor]) -> Plan:
        vocab_size, dim = (size(tensors, "lm_head.weight", axis) for axis in (0, 1))
        depth, hidden = 2 * depth_of(tensors, "in_blocks.{i}.") + 1, size(tensors, "mid_block.mlp.fc1.weight", 0)
        heads = self.heads_of(dim, depth)
        process, classes = Process(vocab_size), ClassLabel(size(tensors, "embeddings.weight", 0) - vocab_size - 2)
        num_tokens = size(tensors, "pos_embed", 1) - 1
        return Plan(
            make=lambda layout: UViT(process.interface(layout, classes), dim, depth, heads, hidden),
            names={
                **split("embeddings.weight", vocab_size),
                "position": Source(("pos_embed",), lambda places: places.squeeze(0)),
                **UVIT_NAMES,
                "to_logits.0": "lm_head",
            },
            process=process,
            recipe=_recipe(num_tokens),
            vocab_size=vocab_size,
            num_tokens=num_tokens,
        )


def _recipe(num_tokens: int) -> Recipe:
    """Of the published model of so many tokens, or of the smallest.

    Logits are divided by 0.5 + 0.8 (1 - (k + 1) / S) at step k, which falls in a straight line.
    """
    steps, temperature, guidance = RECIPES.get(num_tokens, RECIPES[32])
    sampler = MaskGIT(steps, temperature, Arccos(), annealed=True)
    return Recipe(sampler, Warps(0.5 + 0.8 * (1 - 1 / steps), 0.5), guidance)
