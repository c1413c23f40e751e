"""Held-out bits per token of trained priors, beside those of models without any network.

    python benchmarks/likelihood.py runs/emoji64-*/last.ckpt

For the diffusions the figure is an upper bound, by a random term a picture (estimate) and by the sum over all terms on
every sixteenth picture (full sum), both with their standard errors over pictures; autoregressive, it is exact. Pictures
are held-out emoji, each with its class.
"""

from __future__ import annotations

import math
import sys

import torch
from priors import batches, ids_and_labels, read
from torch import Tensor

from lightgen.functional.random import Noise
from lightgen.prior import Prior
from lightgen.processes.likelihood import Bound, estimate, full_sum

PARTS = 16


@torch.no_grad()
def main(paths: list[str]) -> None:
    priors = read(paths)
    some = next(iter(priors.values()))
    (train, _), (held_out, label) = ids_and_labels(some, "train"), ids_and_labels(some, "val")
    vocab_size = some.network.vocab_size
    print(f"{len(held_out)} held-out pictures of {held_out.shape[1]} tokens of {vocab_size} codes\n")
    print("| model | bits per token, estimate | full sum | bits per pixel value |")
    print("|---|---|---|---|")
    per_value = held_out.shape[1] / some.num_values
    for name, bits in without_network(train, held_out, vocab_size).items():
        print(f"| {name} | {bits:.3f} | | {bits * per_value:.4f} |")
    for name, prior in priors.items():
        if not isinstance(prior.process, Bound):
            print(f"| {name} | has no likelihood | | |")
            continue
        once = bits_per_token(prior, prior.process, held_out, label, False)
        whole = bits_per_token(prior, prior.process, held_out[::PARTS], label[::PARTS], True)
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


def bits_per_token(prior: Prior, process: Bound, ids_BN: Tensor, label_B: Tensor, whole: bool) -> Tensor:
    """(B,) bits per token of each picture."""
    bound, parts = (full_sum if whole else estimate), []
    for ids, label, index in batches(ids_BN, label_B, torch.arange(len(ids_BN))):
        labels = label if prior.network.num_classes else None

        def denoise(noisy: Tensor, time: Tensor | None = None, labels: Tensor | None = labels) -> Tensor:
            logits: Tensor = prior.network(noisy, time, labels)
            return logits

        parts.append(bound(process, denoise, ids, Noise(1, index)) / math.log(2) / ids.shape[1])  # type: ignore[arg-type]
    return torch.cat(parts)


def spread(bits: Tensor) -> str:
    """Mean and standard error over pictures."""
    return f"{bits.mean():.3f} ± {bits.std() / len(bits) ** 0.5:.3f}"


if __name__ == "__main__":
    main(sys.argv[1:])
