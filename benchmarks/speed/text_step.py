"""What text adds to a step of sampling: the time of a network's evaluation with a caption over that without text.

Priors of about 3 M parameters on 8x8 tokens, V = 1024, at batch 8 and 64. The caption is read, and its keys and values
are made, once a batch; the last column has that as a share of 16 steps, or of the 64 of a causal network. In one run,
medians of alternating rounds:

    python benchmarks/speed/text_step.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import torch
from timing import seconds

from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, Mixed, Text
from lightgen.functional.text import to_bytes
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.networks.base import Interface, Network

VOCAB, GRID, STEPS, ROUNDS = 1024, (8, 8), 16, 9
CAPTIONS = ["woman in manual wheelchair", "red heart"]
CASES: dict[str, Callable[..., Any]] = {
    "Hourglass, 2-2-2 of 160": partial(Hourglass, dim=160, depth=(2, 2, 2), heads=4, dim_head=40),
    "Transformer, 6 of 176": partial(Transformer, dim=176, depth=6, heads=4, dim_head=44),
    "CausalTransformer, 6 of 176": partial(CausalTransformer, dim=176, depth=6, heads=4, dim_head=44),
}


@torch.no_grad()
def main() -> None:
    print("| network | M parameters, those of text | batch | ms a step | with text | once a batch, of all steps |")
    print("|---|---|---|---|---|---|")
    for name, make in CASES.items():
        plain, told = (made(make, text) for text in (False, True))
        size, more = sum(p.numel() for p in plain.parameters()), sum(p.numel() for p in told.parameters())
        for batch in (8, 64):
            caption = torch.from_numpy(to_bytes(CAPTIONS * (batch // 2)))
            asked = Condition({"label": torch.zeros(batch, dtype=torch.long), "caption": caption})
            calls = [evaluation(plain, asked.keep(["label"]), batch), evaluation(told, asked, batch)]
            begin = partial(told.context, asked, batch)
            rounds = [[seconds(call, max(1, 16 // batch)) for call in (*calls, begin)] for _ in range(ROUNDS)]
            off, on, once = (median(times) for times in zip(*rounds[2:], strict=True))
            added = median(row[1] / row[0] for row in rounds[2:]) - 1
            share = once / on / (GRID[0] * GRID[1] if plain.causal else STEPS)
            counts = f"{size / 1e6:.2f}, {(more - size) / 1e6:.2f}"
            print(f"| {name} | {counts} | {batch} | {off * 1e3:.2f} | {added:+.1%} | {share:.1%} |")


def made(make: Callable[..., Any], text: bool) -> Network:
    torch.manual_seed(0)
    conditioner = Mixed([ClassLabel(10), *([Text()] if text else [])])
    conditioner.learn(CAPTIONS)
    network: Network = make(Interface(Layout(GRID, VOCAB), VOCAB + 1, conditioner=conditioner))
    return network.eval()


def evaluation(network: Any, asked: Condition, batch: int) -> Callable[[], object]:
    """A step of a network that knows the context already; one token in the middle of a causal one."""
    context, ids = network.context(asked, batch), torch.randint(VOCAB, (batch, GRID[0] * GRID[1]))
    if not network.causal:
        return partial(network, ids, None, context)
    reader = network.reader(batch, context)
    for step in range(32):
        reader(ids, step)
    return partial(reader, ids, 32)


if __name__ == "__main__":
    main()
