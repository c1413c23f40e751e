"""Time of a token in autoregressive sampling on a CUDA device, over that of reading all weights once.

The shape of LlamaGen-L (Sun et al., 2024, arXiv 2406.06525): 343 million parameters, 256 tokens, random weights in
bfloat16, no guidance; steps as they are made, and as CUDA graphs:

    python benchmarks/speed/autoregressive_gpu.py
"""

from __future__ import annotations

from functools import partial

import torch
from timing import best_seconds

from lightgen.acceleration import cuda_graph, narrow
from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.networks import Llama
from lightgen.processes import Causal
from lightgen.samplers import Autoregressive
from lightgen.samplers.recorded import Player

DIM, DEPTH, HEADS, VOCAB, GRID, CLASSES = 1024, 24, 16, 16_384, (16, 16), 1000
BATCHES = (1, 64)


@torch.no_grad()
def main(device: str = "cuda") -> None:
    process, layout = Causal(VOCAB), Layout(GRID, VOCAB)
    network = Llama(process.interface(layout, ClassLabel(CLASSES)), DIM, DEPTH, HEADS).eval().to(device)
    narrow(network)
    weights = torch.empty(sum(p.nbytes for p in network.parameters()), dtype=torch.uint8, device=device)
    other = torch.empty_like(weights)
    # A copy reads and writes.
    (copying,) = best_seconds(partial(other.copy_, weights))
    floor, num = copying / 2, layout.num_tokens
    print(f"{weights.nbytes / 2e6:.0f} M parameters, read in {floor * 1e3:.3f} ms")
    print("batch   made ms/token   graph ms/token   keys and values MB   graph over reading weights   and them")
    for batch in BATCHES:
        noise, label = Noise.of(0, batch, device=device), torch.arange(batch, device=device) % CLASSES
        denoise = Denoiser(network, layout, Condition({"label": label}))
        loops = [
            partial(run, denoise, process.initial(num, noise), noise, player) for player in (None, Player(cuda_graph))
        ]
        made, graph = (best / num for best in best_seconds(*loops, rounds=3))
        cache = 2 * DEPTH * DIM * num * batch * 2
        both = floor * (1 + cache / weights.nbytes)
        print(
            f"{batch:5d} {made * 1e3:15.3f} {graph * 1e3:16.3f} {cache / 1e6:20.0f} {graph / floor:28.2f} "
            f"{graph / both:10.2f}"
        )


def run(denoise: Denoiser, start_BN: torch.Tensor, noise: Noise, player: Player | None) -> torch.Tensor:
    """The ids of a batch."""
    return Autoregressive().iterate(denoise, start_BN, None, noise, player=player).run().ids


if __name__ == "__main__":
    main()
