"""What the ids of a coarser picture tell of the finer ones: NLL and pictures.

    OMP_NUM_THREADS=1 python benchmarks/studies/levels.py --out levels
    OMP_NUM_THREADS=1 python benchmarks/studies/levels.py --pair zoo:icons64-causal runs/icons256/last.ckpt --out levels

The first trains a tiny pair of priors on half of the emoji, and keeps it in the folder: one on 4x4 ids of 32x32 pixels,
one on the 8x8 ids of 64x64 pixels, told the former. The tokenizer of both is that of the zoo, made for either size. The
second asks a pair that is trained, with the pictures that its own runs held out.

Bits are the bound of the process, one random term a picture, on held-out pictures: one network, told the right coarse
ids, those of another picture, or none. Token accuracy is that of one evaluation on an empty canvas. Bicubic is the
decoded coarse picture, enlarged, and, as ids, encoded by the fine tokenizer. The sheet has, from top to bottom, the
held-out pictures, their fine ids decoded, their coarse ids decoded and enlarged, and the finer prior's pictures of
these; then pictures of the cascade, enlarged and finer.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import torch
from figures import bits, psnr, spread
from priors import decoded, encoded, sampled
from torch import Tensor
from torch.nn.functional import interpolate
from trained_on import held_out, pictures_of
from training import learn

from lightgen.cascade import Cascade
from lightgen.checkpoint import fingerprint, load, save
from lightgen.condition import Condition
from lightgen.conditioners import LowResolution
from lightgen.data.base import ImageData
from lightgen.data.emoji import Emoji
from lightgen.figures import save_png, sheet
from lightgen.functional.random import Noise
from lightgen.prior import Prior
from lightgen.processes import MaskGIT as Masked
from lightgen.recipe import Recipe
from lightgen.registry import changed
from lightgen.samplers import MaskGIT
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import to_uint8, to_unit

COLUMNS = 8
SIDES, STEPS = (32, 64), (300, 500)


@torch.no_grad()
def main(folder: Path, pair: list[str] | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [str(folder / "low.ckpt"), str(folder / "high.ckpt")] if pair is None else pair
    if pair is None and not all(Path(path).exists() for path in paths):
        for prior, path in zip(trained(), paths, strict=True):
            save(prior, Path(path))
    low, high = (load(path, "prior") for path in paths)
    cascade = Cascade([low, high])
    data: list[ImageData] = [Emoji(side) for side in SIDES] if pair is None else [pictures_of(path) for path in pair]
    pictures = [held_out(each) for each in data]
    coarse, fine = (encoded(prior, images) for prior, images in zip((low, high), pictures, strict=True))
    told = {"right": coarse, "of another picture": coarse.roll(1, 0), "none": None}
    enlarged = bicubic(low, high, coarse)
    print(f"{len(fine)} held-out pictures, {coarse.shape[1]} coarse ids of {low.layout().vocab_size}, "
          f"{fine.shape[1]} fine ids of {high.layout().vocab_size}\n")  # fmt: skip
    print("| coarse ids | bits per fine token | token accuracy | PSNR of the finer picture |")
    print("|---|---|---|---|")
    made = {}
    for name, ids in told.items():
        condition = Condition() if ids is None else Condition({"coarse": ids})
        made[name] = sampled(high, condition, len(fine))
        cost = bits(high.process, high.network, fine, condition)
        print(f"| {name} | {spread(cost, 2)} | {accuracy(high, fine, condition):.3f} | "
              f"{spread(psnr(made[name], pictures[1]), 2)} |", flush=True)  # fmt: skip
    ids = encoded(high, enlarged)
    same, again = float((ids == fine).float().mean()), decoded(high, ids)
    print(f"| bicubic, as ids | | {same:.3f} | {spread(psnr(again, pictures[1]), 2)} |")
    print(f"| bicubic, as pixels | | | {spread(psnr(enlarged, pictures[1]), 2)} |")
    best = decoded(high, fine)
    print(f"| the right fine ids | | 1.000 | {spread(psnr(best, pictures[1]), 2)} |\n")
    first, last = [one.run().ids for one in cascade.iterate(Noise.of(0, COLUMNS))]
    rows = [pictures[1], best, enlarged, made["right"], bicubic(low, high, first), high.decode(last)]
    names = ["held out", "its fine ids", "coarse, bicubic", "made finer", "coarse of a cascade", "made finer"]
    shown = torch.cat([row[:COLUMNS] for row in rows])
    captions = [name for name in names for _ in range(COLUMNS)]
    save_png(sheet(shown, "a coarse picture made finer, beside bicubic", captions, COLUMNS), folder / "levels.png")


@torch.enable_grad()
def trained() -> tuple[Prior, Prior]:
    """The priors of both levels."""
    fine = load("zoo:icons64-absorbing").tokenizer
    tokenizers = [resized(fine, side) for side in SIDES]
    ids = []
    for tokenizer, side in zip(tokenizers, SIDES, strict=True):
        images = Emoji(side).dataset("train").images()[::2]
        with torch.no_grad():
            ids.append(torch.cat([tokenizer.encode(to_unit(some)).flatten(1) for some in images.split(64)]))
    low = prior_of(tokenizers[0], ids[0], STEPS[0], None, Condition())
    level = LowResolution(low.layout(), fingerprint(low.tokenizer))
    return low, prior_of(tokenizers[1], ids[1], STEPS[1], level, Condition({"coarse": ids[0]}))


def prior_of(tokenizer: Tokenizer, ids: Tensor, steps: int, level: LowResolution | None, told: Condition) -> Prior:
    process = Masked(tokenizer.layout.vocab_size, label_smoothing=0.0)
    network = learn(process, tokenizer.layout, ids, level, told,
                    dim=128, steps=steps, every=50, what=f"{ids.shape[1]} ids, ")  # fmt: skip
    return Prior(tokenizer, network, process, Recipe(MaskGIT(steps=8))).eval()


def resized(tokenizer: Tokenizer, side: int) -> Tokenizer:
    """The same convolutions for pictures of another size."""
    made: Any = changed(copy.deepcopy(tokenizer), image_size=side)
    made.load_state_dict(tokenizer.state_dict())
    return made.eval()


def bicubic(low: Prior, high: Prior, coarse: Tensor) -> Tensor:
    """uint8 pictures of the finer prior's size of coarse ids."""
    small = to_unit(decoded(low, coarse))
    return to_uint8(interpolate(small, high.tokenizer.image_size, mode="bicubic").clamp(-1, 1))


def accuracy(prior: Prior, fine: Tensor, condition: Condition) -> float:
    """Share of tokens that are the likeliest on a canvas that is all MASK."""
    blank = prior.initial(Noise.of(0, len(fine)))
    logits = prior.network(blank, None, prior.network.context(condition, len(fine)))
    return float((logits.argmax(-1) == fine).float().mean())


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--out", type=Path, default=Path("levels"), help="folder of the priors and the sheet")
    given.add_argument("--pair", nargs=2, metavar=("LOW", "HIGH"), help="checkpoints, in place of a tiny pair")
    asked = given.parse_args()
    main(asked.out, asked.pair)
