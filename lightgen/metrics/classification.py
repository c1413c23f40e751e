"""What a classifier makes of generated pictures."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lightgen.functional.distances.inception_score import from_sums, sums
from lightgen.metrics.classifiers import Classifier
from lightgen.metrics.protocols import QUANTISATION
from lightgen.registry import describe


class ClassifierMetric(Metric):
    """A score of generated pictures alone, from class probabilities; only sums are kept.

    Args:
        classifier: the network that judges.
    """

    count: Tensor
    full_state_update = False

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier
        self.num_fake = 0
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def counted(self) -> int:
        """Pictures over all ranks.

        Raises:
            ValueError: if there is none.
        """
        self.num_fake = int(self.count)
        if not self.num_fake:
            raise ValueError("there are no generated pictures to classify")
        return self.num_fake

    def protocol(self) -> dict[str, Any]:
        """What must be known to compare the number of the last `compute` with others."""
        return {
            "classifier": describe(self.classifier),
            "resize": self.classifier.resize,
            "quantisation": QUANTISATION,
            "num_fake": self.num_fake,
            "torch": str(torch.__version__),
        }


class InceptionScore(ClassifierMetric):
    """`lightgen.functional.distances.inception_score`, without splits; called so only through the FID Inception.

    Args:
        classifier: the network that judges.

    Raises:
        ValueError: in `compute`, if there is no picture.
    """

    total: Tensor
    negative_entropy: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier)
        zeros = torch.zeros(classifier.num_classes, dtype=torch.float64)
        self.add_state("total", zeros, dist_reduce_fx="sum")
        self.add_state("negative_entropy", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, images: Tensor) -> None:
        """Add generated uint8 pictures (B, C, H, W)."""
        total, negative_entropy = sums(self.classifier(images))
        self.total += total
        self.negative_entropy += negative_entropy
        self.count += len(images)

    def compute(self) -> dict[str, Tensor]:
        """The score by name."""
        names = {"inception": "inception score"}
        name = names.get(self.classifier.name, f"classifier score({self.classifier.name})")
        return {name: from_sums(self.total, self.negative_entropy, self.counted())}


class ClassAccuracy(ClassifierMetric):
    """Share of pictures that the classifier puts into the class they were asked for.

    Ravuri and Vinyals, 2019, arXiv 1905.10887, report such accuracies the other way round (a classifier trained on
    generated pictures); this one tells whether conditions are obeyed, not whether classes are covered.

    Args:
        classifier: the network that judges, with the classes of the generator.

    Raises:
        ValueError: in `compute`, if there is no picture.
    """

    correct: Tensor

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier)
        self.add_state("correct", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, images: Tensor, labels: Tensor) -> None:
        """Add generated uint8 pictures (B, C, H, W) and the classes (B,) they were asked for.

        Raises:
            ValueError: if there is not one label in [0, num_classes) for each picture.
        """
        if labels.shape != images.shape[:1]:
            raise ValueError(f"there must be one label for each of {len(images)} pictures, not {tuple(labels.shape)}")
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.classifier.num_classes:
            raise ValueError(
                f"labels must be below {self.classifier.num_classes}, the classes of {self.classifier.name}, "
                f"not from {int(labels.min())} to {int(labels.max())}"
            )
        self.correct += (self.classifier(images).argmax(1) == labels.to(images.device)).sum()
        self.count += len(images)

    def compute(self) -> dict[str, Tensor]:
        """The accuracy by name."""
        count = self.counted()
        return {f"class accuracy({self.classifier.name})": self.correct.double() / count}
