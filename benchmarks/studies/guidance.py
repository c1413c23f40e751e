"""What classifier-free guidance does: class accuracy of generated emoji, and recall, as the scale rises.

    python benchmarks/studies/guidance.py runs/emoji64-causal/last.ckpt

Pictures come from the prior's own sampler, as many of each class. The classifier is a linear layer on ImageNet
features, trained on the training emoji and their mirror images; it has never seen a generated picture. Recall is that
of the held-out emoji (k = 3), whatever their class.
"""

from __future__ import annotations

import sys

import torch
from classifier import accuracy, features_of, fit
from priors import sampled

from lightgen.checkpoint import load
from lightgen.condition import Condition
from lightgen.data.emoji import Emoji
from lightgen.functional.distances import manifold_scores
from lightgen.guidance import ConstantGuidance
from lightgen.metrics.features import EfficientNetLite0
from lightgen.recipe import Recipe
from lightgen.warps import Warps

PER_CLASS = 90
WARPS = Warps(0.8)
SCALES = (0.0, 1.0, 2.0, 4.0)


def main(path: str) -> None:
    prior, data, features = load(path, "prior"), Emoji(), EfficientNetLite0()
    train, held_out = data.dataset("train"), data.dataset("val")
    pictures = train.images()
    twice = torch.cat([features_of(features, pictures), features_of(features, pictures.flip(-1))])
    labels, real = train.condition()["label"], features_of(features, held_out.images())
    classifier = fit(twice, labels.repeat(2), len(data.class_names))
    right = accuracy(classifier, real, held_out.condition()["label"])
    label = torch.arange(len(data.class_names)).repeat(PER_CLASS)
    how = f"{type(prior.process).__name__} prior, {type(prior.recipe.sampler).__name__}"
    print(f"{how} at temperature {WARPS.temperature}, {len(label)} pictures\n")
    print("| scale | class accuracy | recall | precision |")
    print("|---|---|---|---|")
    for scale in SCALES:
        recipe = Recipe(prior.recipe.sampler, WARPS, ConstantGuidance(scale))
        fake = features_of(features, sampled(prior, Condition({"label": label}), len(label), recipe))
        scores = manifold_scores(real, fake)
        right_fake = accuracy(classifier, fake, label)
        print(f"| {scale:g} | {right_fake:.3f} | {scores.recall:.3f} | {scores.precision:.3f} |", flush=True)
    print(f"| held-out emoji | {right:.3f} | | |")


if __name__ == "__main__":
    main(sys.argv[1])
