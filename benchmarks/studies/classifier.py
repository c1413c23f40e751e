"""What pictures are taken for: a linear classifier on features, for studies of whether priors draw what is asked."""

from __future__ import annotations

import torch
from priors import batches
from torch import Tensor, nn

from lightgen.metrics.features import FeatureNetwork


def features_of(features: FeatureNetwork, pictures: Tensor) -> Tensor:
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
