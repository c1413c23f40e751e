"""Causal blocks that read one token at a time and keep the keys and values of those before.

The same functions as in `layers.py`, without what takes longer than the arithmetic of one token: modules, views made
anew for every layer, memory that grows.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, linear, scaled_dot_product_attention

from lightgen.condition import Context
from lightgen.functional.lookup import Place, pick, put
from lightgen.networks.attention import CrossAttention, told_bias
from lightgen.networks.layers import Block
from lightgen.networks.rotary import CausalRotary


class Norm:
    """A LayerNorm as a bare function."""

    def __init__(self, norm: nn.Module) -> None:
        assert isinstance(norm, nn.LayerNorm)
        self.arguments = (norm.normalized_shape, norm.weight, norm.bias, norm.eps)

    def __call__(self, x: Tensor) -> Tensor:
        return layer_norm(x, *self.arguments)


class Told:
    """The weights of the attention to the tokens of a condition."""

    def __init__(self, cross: CrossAttention) -> None:
        self.norm, self.heads, self.place = Norm(cross.norm), cross.heads, cross.place
        self.to_q, self.to_out = cross.to_q.weight, tuple(cross.to_out.parameters())

    def __call__(self, x_BD: Tensor, context: Context) -> Tensor:
        keys, values = context.memory[self.place].unbind(1)
        q = linear(self.norm(x_BD), self.to_q).unflatten(-1, (self.heads, 1, -1))
        attended = scaled_dot_product_attention(q, keys, values, attn_mask=context.bias)
        return linear(attended.flatten(1), *self.to_out)


class Layer:
    """The weights of a block, and what a condition does in it, which is the same for every token."""

    def __init__(self, block: nn.Module, num_rows: int, context: Context) -> None:
        assert isinstance(block, Block)
        self.told = None if block.cross is None else Told(block.cross)
        self.modulation: tuple[Tensor, ...] = ()
        if block.modulation is not None:
            self.modulation = block.modulation(context.vector)[:, 0].expand(num_rows, -1).chunk(6, -1)
        attention, feed_forward = block.attention, block.feed_forward
        self.norm = Norm(attention.norm)
        self.to_qkv = attention.to_qkv.weight
        self.to_out = tuple(attention.to_out.parameters())
        self.norm_2 = Norm(feed_forward[0])
        self.up, self.down = tuple(feed_forward[1].parameters()), tuple(feed_forward[3].parameters())

    def select(self, rows: Tensor) -> Layer:
        """The layer for some rows."""
        some = copy(self)
        some.modulation = tuple(part[rows] for part in self.modulation)
        return some


class At(NamedTuple):
    """Where a step stands, for all layers."""

    rotation: Tensor
    """(2 heads, d / 2) complex, of queries and keys."""
    step: Place
    seen: Tensor | None
    """(1, N) True up to this place, where keys and values of all are read."""


class CachedBlocks:
    """The blocks of a causal network on their way through a batch of B sequences.

    Args:
        blocks: at least one, all of one size.
        rotary: theirs.
        num_rows: B.
        context: what they see of the condition.
    """

    def __init__(self, blocks: Iterable[nn.Module], rotary: CausalRotary, num_rows: int, context: Context) -> None:
        self.layers = [Layer(block, num_rows, context) for block in blocks]
        # What is left of it: vectors are in the layers, cells in what is read.
        # As the attention adds it, once and not at each token.
        bias = told_bias(context, context.memory[0]) if context.memory else None
        self.context = Context(bias=bias, memory=context.memory)
        self.rotation = torch.view_as_complex(rotary.rotation.float())
        n, both, half = self.rotation.shape
        heads, dim_head, device = both // 2, 2 * half, self.rotation.device
        autocast = torch.is_autocast_enabled(device.type)
        self.dtype = torch.get_autocast_dtype(device.type) if autocast else self.layers[0].to_qkv.dtype
        size = (len(self.layers), 2, num_rows, heads, n, dim_head)
        # Zeros, for what comes later is read too where the step is a tensor, and then multiplied by zero.
        self._hold(torch.zeros(size, dtype=self.dtype, device=device))
        self.places = torch.arange(n, device=device)

    def _hold(self, memory: Tensor) -> None:
        """Keep keys and values in a memory (layers, 2, B, heads, N, d)."""
        self.memory = memory
        num_rows, heads, dim_head = memory.shape[2], memory.shape[3], memory.shape[5]
        # What is read of one token in one layer, and its parts: made once, written in place.
        self.read = torch.empty(num_rows, 3 * heads * dim_head, device=memory.device)
        parts = self.read.view(num_rows, 3, heads, dim_head)
        self.query = parts[:, 0].unsqueeze(2)
        self.key_and_value = parts[:, 1:].transpose(0, 1)
        self.turning = torch.view_as_complex(parts[:, :2].unflatten(-1, (dim_head // 2, 2))).flatten(1, 2)

    def select(self, rows: Tensor) -> CachedBlocks:
        """The blocks, on their way through some of the sequences."""
        some = copy(self)
        some.context = self.context.select(rows)
        some.layers = [layer.select(rows) for layer in self.layers]
        some._hold(self.memory[:, :, rows])
        return some

    @property
    def held(self) -> tuple[Tensor, ...]:
        """See `lightgen.types.Reader`."""
        told = (part for layer in self.layers for part in layer.modulation)
        return (self.memory, *told, *self.context.parts)

    def __call__(self, x_BD: Tensor, step: Place) -> Tensor:
        """(B, D) to (B, D) at a step; those before it must have been taken, in order."""
        if isinstance(step, int):
            slots, seen = self.memory.select(4, step).unbind(), None
            known = self.memory.narrow(4, 0, step + 1).flatten(0, 1).unbind()
        else:
            slots, seen = self.memory.unbind(), (self.places <= step)[None]
            known = self.memory.flatten(0, 1).unbind()
        at = At(pick(self.rotation, 0, step), step, seen)
        x = x_BD
        for layer, slot, keys, values in zip(self.layers, slots, known[::2], known[1::2], strict=True):
            if not layer.modulation:
                x = x + self._attended(layer, layer.norm(x), at, slot, keys, values)
                x = x if layer.told is None else x + layer.told(x, self.context)
                x = x + linear(gelu(linear(layer.norm_2(x), *layer.up)), *layer.down)
                continue
            shift, scale, gate, shift_2, scale_2, gate_2 = layer.modulation
            x = x + gate * self._attended(layer, layer.norm(x) * (1 + scale) + shift, at, slot, keys, values)
            x = x if layer.told is None else x + layer.told(x, self.context)
            y = layer.norm_2(x) * (1 + scale_2) + shift_2
            x = x + gate_2 * linear(gelu(linear(y, *layer.up)), *layer.down)
        return x

    def _attended(self, layer: Layer, x: Tensor, at: At, slot: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        self.read.copy_(linear(x, layer.to_qkv))
        self.turning.mul_(at.rotation)
        if at.seen is None:
            slot.copy_(self.key_and_value)
        else:
            put(slot, 3, at.step, self.key_and_value)
        attended = scaled_dot_product_attention(self.query.to(self.dtype), keys, values, attn_mask=at.seen)
        return linear(attended.flatten(1), *layer.to_out)
