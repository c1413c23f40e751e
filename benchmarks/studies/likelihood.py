"""Held-out bits per token of trained priors, beside those of models without any network.

    python benchmarks/studies/likelihood.py runs/emoji64-{sundae,absorbing,causal}/last.ckpt

For the diffusions the figure is an upper bound, by a random term a picture (estimate) and by the sum over all terms on
every sixteenth picture (full sum), both with their standard errors over pictures; autoregressive, it is exact. Pictures
are held-out emoji, each with its class.
"""

from __future__ import annotations

import math
import sys

import torch
from figures import spread
from priors import ids_and_labels, read
from torch import Tensor

from lightgen.bench.likelihood import bits_per_token
from lightgen.data.emoji import Emoji

PARTS = 16


@torch.no_grad()
def main(paths: list[str]) -> None:
    priors = read(paths)
    some = next(iter(priors.values()))
    (train, _), (held_out, _) = ids_and_labels(some, "train"), ids_and_labels(some, "val")
    pictures = Emoji().dataset("val")
    vocab_size = some.layout().vocab_size
    print(f"{len(held_out)} held-out pictures of {held_out.shape[1]} tokens of {vocab_size} codes\n")
    print("| model | bits per token, estimate | full sum | bits per pixel value |")
    print("|---|---|---|---|")
    per_value = held_out.shape[1] / some.num_values
    for name, bits in without_network(train, held_out, vocab_size).items():
        print(f"| {name} | {bits:.3f} | | {bits * per_value:.4f} |")
    for name, prior in priors.items():
        once = bits_per_token(prior, pictures, 1)
        whole = bits_per_token(prior, pictures, 1, whole=True, every=PARTS)
        if once is None or whole is None:
            print(f"| {name} | has no likelihood | | |")
            continue
        print(f"| {name} | {spread(once)} | {spread(whole)} | {once.mean() * per_value:.4f} |", flush=True)


def without_network(train: Tensor, held_out: Tensor, vocab_size: int) -> dict[str, float]:
    """Bits per token of the simplest models, with one added to every count."""
    counts = torch.bincount(train.flatten(), minlength=vocab_size).double() + 1
    by_position = torch.nn.functional.one_hot(train, vocab_size).sum(0).double() + 1
    unigram = -(counts / counts.sum()).log2()[held_out]
    positions = torch.arange(held_out.shape[1])
    marginal = -(by_position / by_position.sum(1, keepdim=True)).log2()[positions, held_out]
    return {
        "uniform": math.log2(vocab_size),
        "unigram": float(unigram.mean()),
        "per-position marginals": float(marginal.mean()),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
