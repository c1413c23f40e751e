"""What classifier-free guidance does: class accuracy of generated emoji, and recall, as the scale rises.

    python benchmarks/studies/guidance.py runs/emoji64-causal/last.ckpt

Pictures come from the prior's own sampler, as many of each class. The classifier is a linear layer on ImageNet
features, trained on the training emoji and their mirror images; it has never seen a generated picture. Recall is that
of the held-out emoji (k = 3), whatever their class.
"""

from __future__ import annotations

import sys

import torch
from priors import batches
from torch import Tensor, nn

from lightgen.checkpoint import load
from lightgen.condition import Condition
from lightgen.data.emoji import Emoji
from lightgen.functional.distances import manifold_scores
from lightgen.functional.random import Noise
from lightgen.guidance import ConstantGuidance
from lightgen.metrics.features import EfficientNetLite0, FeatureNetwork
from lightgen.recipe import Recipe
from lightgen.warps import Warps

PER_CLASS = 90
WARPS = Warps(0.8)
SCALES = (0.0, 1.0, 2.0, 4.0)


def main(path: str) -> None:
    prior, data, features = load(path, "prior"), Emoji(), EfficientNetLite0()
    train, held_out = data.dataset("train"), data.dataset("val")
    pictures = train.images()
    twice = torch.cat([of(features, pictures), of(features, pictures.flip(-1))])
    labels, real = train.condition()["label"], of(features, held_out.images())
    classifier = fit(twice, labels.repeat(2), len(data.class_names))
    right = accuracy(classifier, real, held_out.condition()["label"])
    label = torch.arange(len(data.class_names)).repeat(PER_CLASS)
    how = f"{type(prior.process).__name__} prior, {type(prior.recipe.sampler).__name__}"
    print(f"{how} at temperature {WARPS.temperature}, {len(label)} pictures\n")
    print("| scale | class accuracy | recall | precision |")
    print("|---|---|---|---|")
    for scale in SCALES:
        made = []
        for classes, index in batches(label, torch.arange(len(label))):
            recipe = Recipe(prior.recipe.sampler, WARPS, ConstantGuidance(scale))
            sample = prior.sample_ids(Noise(0, index), recipe, Condition({"label": classes}))
            made.append(prior.decode(sample.ids))
        fake = of(features, torch.cat(made))
        scores = manifold_scores(real, fake)
        right_fake = accuracy(classifier, fake, label)
        print(f"| {scale:g} | {right_fake:.3f} | {scores.recall:.3f} | {scores.precision:.3f} |", flush=True)
    print(f"| held-out emoji | {right:.3f} | | |")


def of(features: FeatureNetwork, pictures: Tensor) -> Tensor:
    """Features of any number of pictures."""
    return torch.cat([features(batch) for (batch,) in batches(pictures)])


def fit(features: Tensor, label: Tensor, num_classes: int) -> nn.Module:
    """A linear classifier on standardised features."""
    torch.manual_seed(0)
    head = nn.Sequential(nn.BatchNorm1d(features.shape[1], affine=False), nn.Linear(features.shape[1], num_classes))
    optimizer = torch.optim.AdamW(head.parameters(), 1e-3, weight_decay=0.1)
    for _ in range(30):
        for rows in torch.randperm(len(features)).split(256):
            optimizer.zero_grad()
            nn.functional.cross_entropy(head(features[rows]), label[rows]).backward()
            optimizer.step()
    return head.eval()


@torch.no_grad()
def accuracy(classifier: nn.Module, features: Tensor, label: Tensor) -> float:
    """Share of pictures that the classifier gives their class."""
    return float((classifier(features).argmax(1) == label).float().mean())


if __name__ == "__main__":
    main(sys.argv[1])
