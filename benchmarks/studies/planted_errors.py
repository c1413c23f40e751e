"""Which samplers mend mistakes: token accuracy after a few steps from real ids with a tenth of the tokens replaced.

    python benchmarks/studies/planted_errors.py runs/emoji64-sundae/last.ckpt runs/emoji64-absorbing/last.ckpt

Every sampler gets the same ids, none of them marked as wrong, and five steps at low temperature. Those that revise
tokens can raise the accuracy; those that only fill in MASK cannot.
"""

from __future__ import annotations

import sys

import torch
from priors import batches, ids_and_labels, read
from torch import Tensor

from lightgen.condition import Condition
from lightgen.functional.random import Noise, Stream
from lightgen.prior import Prior
from lightgen.recipe import Recipe
from lightgen.registry import describe
from lightgen.samplers.ancestral import Ancestral
from lightgen.samplers.base import Sampler
from lightgen.samplers.maskgit import MaskGIT
from lightgen.samplers.remasking import Confidence, Rescale
from lightgen.samplers.remdm import ReMDM
from lightgen.samplers.sundae import SUNDAE
from lightgen.warps import Warps

PLANTED = 0.1
STEPS = 5
START = 0.2
"""The time at which `Ancestral` takes the damaged ids to stand."""
Case = tuple[Sampler, float]
"""A sampler and its temperature."""
# From there, it takes so many steps.
ANCESTRAL = Ancestral(round(STEPS / START))
CASES: dict[str, list[Case]] = {
    "SUNDAE": [(SUNDAE(STEPS, update=0.5, patience=None), 0.2), (ANCESTRAL, 0.2)],
    "Uniform": [(ANCESTRAL, 0.2), (SUNDAE(STEPS, update=0.5, patience=None), 0.2)],
    "MaskReplace": [(ANCESTRAL, 0.2)],
    # A lower temperature would hide how sure the network is, which is what `Confidence` goes by.
    "Absorbing": [
        (MaskGIT(STEPS), 0.2), (ReMDM(STEPS, Rescale(0.1)), 0.2), (ReMDM(STEPS, Confidence(1.0, "warped")), 0.5),
        (ReMDM(STEPS, Confidence(1e6, "warped")), 0.5),
    ],
}  # fmt: skip


def main(paths: list[str]) -> None:
    priors = read(paths)
    some = next(iter(priors.values()))
    clean, label = ids_and_labels(some, "val")
    damaged = plant(clean, some.layout().vocab_size)
    print(f"{len(clean)} held-out emoji, {STEPS} steps\n")
    print("| prior | sampler | temperature | token accuracy before | after | errors mended | right tokens broken |")
    print("|---|---|---|---|---|---|---|")
    for name, prior in priors.items():
        for sampler, temperature in CASES.get(name, []):
            found = mend(prior, sampler, temperature, damaged, label)
            wrong = damaged != clean
            before, after = ((ids == clean).float().mean() for ids in (damaged, found))
            mended, broken = (found == clean)[wrong].float().mean(), (found != clean)[~wrong].float().mean()
            row = f"{before:.4f} | {after:.4f} | {mended:.3f} | {broken:.4f}"
            print(f"| {name} | {label_of(sampler)} | {temperature:g} | {row} |", flush=True)


def label_of(sampler: Sampler) -> str:
    """The sampler's name, and its remasking with its numbers."""
    if not isinstance(sampler, ReMDM):
        return type(sampler).__name__
    remasking = describe(sampler.remasking)
    arguments = ", ".join(f"{name} {value:g}" for name, value in remasking["arguments"].items() if name != "confidence")
    return f"ReMDM {remasking['name']}, {arguments}"


def plant(ids_BN: Tensor, vocab_size: int) -> Tensor:
    """Ids with a random tenth of the tokens replaced by random codes."""
    noise, num = Noise.of(5, len(ids_BN)), ids_BN.shape[1]
    chosen = noise.uniform(0, Stream.CORRUPT, num) < PLANTED
    return torch.where(chosen, noise.integers(0, Stream.REPLACE, num, vocab_size), ids_BN)


def mend(prior: Prior, sampler: Sampler, temperature: float, damaged: Tensor, label: Tensor) -> Tensor:
    """The ids after sampling from the damaged ones."""
    parts = []
    for ids, labels, index in batches(damaged, label, torch.arange(len(damaged))):
        condition = Condition({} if prior.network.conditioner is None else {"label": labels})
        recipe, start = Recipe(sampler, Warps(temperature)), START if sampler is ANCESTRAL else 1.0
        parts.append(prior.sample_ids(Noise(0, index), recipe, condition, ids, start=start).ids)
    return torch.cat(parts)


if __name__ == "__main__":
    main(sys.argv[1:])
