"""The names of U-ViT's blocks, which several projects have kept."""

from __future__ import annotations

from lightgen.importers.renaming import Names

_BLOCK = {
    "norm_1": "norm1",
    "attention.to_qkv": "attn.qkv",
    "attention.to_out": "attn.proj",
    "norm_2": "norm2",
    "feed_forward.0": "mlp.fc1",
    "feed_forward.2": "mlp.fc2",
}
_PLACES = {"in_blocks.{i}": "in_blocks.{i}", "middle": "mid_block", "out_blocks.{i}.block": "out_blocks.{i}"}

UVIT_NAMES: Names = {
    **{f"{own}.{part}": f"{place}.{name}" for own, place in _PLACES.items() for part, name in _BLOCK.items()},
    "out_blocks.{i}.join": "out_blocks.{i}.skip_linear",
    "last_norm": "norm",
}
