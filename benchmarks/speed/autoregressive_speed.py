"""Time of a token in autoregressive sampling, over that of its linear layers alone, and against recomputing.

Width 256, 8 layers of 4 heads x 64, N = 256, V = 1024, at batch 1 and 8:

    python benchmarks/speed/autoregressive_speed.py
"""

from __future__ import annotations

from functools import partial

import torch
from timing import best_seconds
from torch import Tensor, nn

from lightgen.condition import Context
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.networks.causal_transformer import CausalTransformer
from lightgen.processes.causal import Causal
from lightgen.samplers.autoregressive import Autoregressive

DIM, DEPTH, HEADS, DIM_HEAD, VOCAB, GRID = 256, 8, 4, 64, 1024, (16, 16)
NUM = GRID[0] * GRID[1]


class Recomputed:
    """The same network without its memory."""

    def __init__(self, network: CausalTransformer) -> None:
        self.network, self.causal_order = network, network.causal_order

    def __call__(self, ids_BN: Tensor, time: Tensor | None, context: Context | None) -> Tensor:
        return self.network(ids_BN, time, context)


@torch.no_grad()
def main() -> None:
    torch.set_num_threads(2)
    sizes = {"dim": DIM, "depth": DEPTH, "heads": HEADS, "dim_head": DIM_HEAD}
    process, layout = Causal(VOCAB), Layout(GRID, VOCAB)
    network = CausalTransformer(process.interface(layout, None), **sizes).eval()
    inner = HEADS * DIM_HEAD
    shapes = [(DIM, 3 * inner, False), (inner, DIM, True), (DIM, 4 * DIM, True), (4 * DIM, DIM, True)] * DEPTH
    layers = [nn.Linear(*shape) for shape in [*shapes, (DIM, VOCAB, True)]]
    print("batch   linear ms   token ms   ratio   tokens/s   over recomputing")
    for batch in (1, 8):
        noise = Noise.of(0, batch)
        start = process.initial(NUM, noise)
        inputs = [torch.randn(batch, layer.in_features) for layer in layers]
        cached, again = (
            partial(Autoregressive(), Denoiser(kind, layout), start, None, noise)
            for kind in (network, Recomputed(network))
        )
        floor, token = best_seconds(partial(bare, layers, inputs), cached, rounds=8)
        token_again, recomputed = best_seconds(cached, again, rounds=2)
        print(
            f"{batch:5d} {floor / NUM * 1e3:11.2f} {token / NUM * 1e3:10.2f} {token / floor:7.2f} "
            f"{batch * NUM / token:10.0f} {recomputed / token_again:18.1f}"
        )


def bare(layers: list[nn.Linear], inputs: list[Tensor]) -> None:
    """What no sampler of this network can do without: one product with every matrix for each token."""
    for _ in range(NUM):
        for layer, x in zip(layers, inputs, strict=True):
            layer(x)


if __name__ == "__main__":
    main()
