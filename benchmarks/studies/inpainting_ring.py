"""What it brings to tell a network which cells are known: the likelihood of the tokens at the edge of a hole.

    lightgen encode --tokenizer zoo:emoji64-tokenizer --out tokens
    lightgen fit --init_from runs/emoji64-absorbing/last.ckpt --config method/inpainting.yaml --data CachedTokens \
        --data.cache tokens --data.data Emoji --data.data.image_size 64 --data.batch_size 32 --model.optimizer.lr 2e-4 \
        --model.scheduler WarmupCosine --model.scheduler.warmup_steps 20 --model.scheduler.final_fraction 0.02 \
        --trainer.max_steps 300 --trainer.limit_val_batches 0 --trainer.default_root_dir known
    python benchmarks/studies/inpainting_ring.py runs/emoji64-absorbing/last.ckpt known/last.ckpt

The same without the overlay says what the further steps alone bring. All priors are absorbing ones of one tokenizer,
and see the same holes in the held-out emoji, asked for no class: squares in the middle, and those of the training. A
prior that is not told finds what is known among the tokens, as `lightgen inpaint` does with any. The ring is the cells
of the hole that touch a known one. Its bits are those of its tokens given what is known, nothing of the rest of the
hole, and each order of them as likely (Hoogeboom et al., 2022, arXiv 2110.02037, eq. 4). The difference to the first
prior is that of the same pictures, with twice its standard error.
"""

from __future__ import annotations

import math
import sys

import torch
from priors import batches, some
from torch import Tensor

from lightgen.checkpoint import load
from lightgen.conditioners import KnownCells
from lightgen.data.emoji import Emoji
from lightgen.functional.categorical import ranks
from lightgen.functional.errors import token_errors
from lightgen.functional.masks import dilate
from lightgen.functional.random import Noise, Stream
from lightgen.prior import Prior
from lightgen.types import Grid

NUM, DRAWS = 128, 4


def main(paths: list[str]) -> None:
    priors = {path: load(path, "prior").eval() for path in paths}
    first = next(iter(priors.values()))
    ids = first.encode(some(Emoji().dataset("val"), NUM)[0])
    grid, noise = first.layout().grid, Noise.of(0, len(ids))
    print(f"{len(ids)} held-out emoji of {grid[0]}x{grid[1]} tokens, {DRAWS} draws of each\n")
    print("| hole | tokens of the ring | prior | bits per token | difference |")
    print("|---|---|---|---|---|")
    for name, known in {"square": square(grid, len(ids)), "as in training": KnownCells(0.0).holes(grid, noise)}.items():
        ring = torch.stack([dilate(row.view(grid), 1).flatten() for row in known]) & ~known
        before = None
        for path, prior in priors.items():
            found = bits(prior, ids, known, ring)
            size, apart = ring.sum(1).float().mean(), "" if before is None else compared(found - before)
            print(f"| {name} | {size:.1f} | {path} | {found.mean():.3f} | {apart} |", flush=True)
            before = found if before is None else before


def compared(difference: Tensor) -> str:
    """A mean, and twice its standard error."""
    return f"{difference.mean():+.3f} ± {2 * difference.std() / math.sqrt(len(difference)):.3f}"


def square(grid: Grid, num: int) -> Tensor:
    """(num, h w) True around a square in the middle of half the sides."""
    known = torch.ones(grid, dtype=torch.bool)
    known[grid[0] // 4 : -(grid[0] // 4), grid[1] // 4 : -(grid[1] // 4)] = False
    return known.flatten().expand(num, -1)


@torch.no_grad()
def bits(prior: Prior, ids_BN: Tensor, known_BN: Tensor, part_BN: Tensor) -> Tensor:
    """(B,) bits per token of a part of each hole, given what is known."""
    everything = (torch.arange(len(ids_BN)), ids_BN, known_BN, part_BN)
    return torch.cat([_bits(prior, *some) for some in batches(*everything)])


def _bits(prior: Prior, index: Tensor, ids_BN: Tensor, known_BN: Tensor, part_BN: Tensor) -> Tensor:
    recipe, total, count = prior.recipe.replace(guidance=None), torch.zeros(len(index)), part_BN.sum(1)
    denoise = prior.denoiser(Noise(0, index), recipe, prior.unconditional(len(index))).bind(
        torch.arange(len(index)), keeps=True, given_BN=known_BN
    )
    for draw in range(DRAWS):
        noise = Noise(1, index).fold(draw)
        order = noise.uniform(0, Stream.ORDER, ids_BN.shape[1]).masked_fill(~part_BN, torch.inf)
        # So many of the part are not known yet; the rest of the hole never is.
        left = (noise.uniform(0, Stream.TIME, 1).squeeze(1) * count).long() + 1
        masked = part_BN & (ranks(order) < left[:, None])
        noisy = ids_BN.masked_fill(masked | ~(known_BN | part_BN), prior.layout().mask)
        denoise(noisy)
        assert denoise.own is not None
        total += (token_errors(denoise.own, ids_BN) * masked).sum(1) / left
    return total / DRAWS / math.log(2)


if __name__ == "__main__":
    main(sys.argv[1:])
