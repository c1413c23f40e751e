"""What an edit without a mask keeps of a picture, and what it changes, as its strength rises.

    python benchmarks/studies/editing.py zoo:emoji64-sundae zoo:emoji64-absorbing zoo:emoji64-uniform \
        zoo:emoji64-mask-replace

Held-out emoji are edited towards another class than theirs, by each prior's own recipe, guidance included. What is kept
is that of the reconstruction: tokens, and pixels of which no channel moves by more than 16 of 255. The classifier, a
linear layer on ImageNet features as in `guidance.py`, says how many edits are of the new class, and of the old one.
"""

from __future__ import annotations

import sys

import torch
from guidance import fit, of
from priors import some
from torch import Tensor, nn

from lightgen.checkpoint import load
from lightgen.data.emoji import Emoji
from lightgen.editing import noised
from lightgen.functional.random import Noise
from lightgen.metrics.features import EfficientNetLite0, FeatureNetwork
from lightgen.prior import Prior

NUM, NUM_TRAINING = 48, 1200
STRENGTHS = (0.0, 0.2, 0.4, 0.6)
TOLERANCE = 16


def main(paths: list[str]) -> None:
    data, features = Emoji(), EfficientNetLite0()
    train, held_out = data.dataset("train"), data.dataset("val")
    num_classes = len(data.class_names)
    images, label = some(train, NUM_TRAINING)
    classifier = fit(of(features, images), label, num_classes)
    pictures, old = some(held_out, NUM)
    new = (old + 1 + Noise.of(0, NUM).integers(0, 0, 1, num_classes - 1).squeeze(1)) % num_classes
    print(f"{NUM} held-out emoji, each towards another class\n")
    print("| prior | sampler | strength | evaluations | tokens kept | pixels kept | of new class | of old class |")
    print("|---|---|---|---|---|---|---|---|")
    for path in paths:
        prior: Prior = load(path, "prior")
        ids = prior.encode(pictures)
        reconstructed, noise = prior.decode(ids), Noise.of(0, NUM)
        for strength in STRENGTHS:
            noisy, start = noised(prior, ids, strength, noise)
            found = prior.sample_ids(noise, condition=prior.condition(new, NUM), ids_BN=noisy, start=start)
            images = prior.decode(found.ids)
            same = (found.ids == ids).float().mean()
            apart = (images.int() - reconstructed.int()).abs().amax(1)
            seen = classes(features, classifier, images)
            cells = [found.trace.evaluations.float().mean(), same, (apart <= TOLERANCE).float().mean()]
            cells += [(seen == label).float().mean() for label in (new, old)]
            sampler = type(prior.recipe.sampler).__name__
            row = f"{cells[0]:.1f} | {' | '.join(f'{cell:.3f}' for cell in cells[1:])}"
            print(f"| {path} | {sampler} | {strength:g} | {row} |", flush=True)


@torch.no_grad()
def classes(features: FeatureNetwork, classifier: nn.Module, images: Tensor) -> Tensor:
    """(B,) what the classifier takes pictures for."""
    answer: Tensor = classifier(of(features, images)).argmax(1)
    return answer


if __name__ == "__main__":
    main(sys.argv[1:])
