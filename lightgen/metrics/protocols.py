"""Named rules of comparison. A score means nothing without the rules it was made by; these are in use."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch

from lightgen.functional.distances.manifold import Ball, check_neighbours
from lightgen.metrics.features import EfficientNetLite0, FeatureNetwork
from lightgen.metrics.inception import CleanInceptionV3, InceptionV3
from lightgen.registry import Component, describe

QUANTISATION = "rounded to nearest uint8, once"
"""How float pictures become those that metrics take: `lightgen.types.to_uint8`."""
WHOLE_SPLIT = "statistics of the whole split"
"""What a Frechet distance may be to, in place of the reference pictures."""


class EvaluationProtocol(Component):
    """What fixes a score besides the pictures: network and filter, reference, numbers of pictures, neighbours.

    Pictures come as uint8, rounded in the one place where lightgen rounds.
    """

    kind: ClassVar[str] = "protocol"

    name: ClassVar[str]
    """What scores are labelled with."""
    split: ClassVar[str | None] = "train"
    """The reference's split; None leaves it open."""
    num_fake: ClassVar[int | None] = 50_000
    """Generated pictures; None leaves it open."""
    num_real: ClassVar[int | None] = None
    """Reference pictures; None takes the whole split."""
    whole_split: ClassVar[bool] = False
    """Whether the Frechet distance is to saved statistics of the whole split, not to the `num_real` pictures."""
    k: int = 3
    """Neighbours in precision, recall, density and coverage."""
    ball: Ball = "closed"

    features: FeatureNetwork

    @abstractmethod
    def __init__(self) -> None: ...

    def check(self, num_real: int | None, num_fake: int) -> None:
        """Refuse other numbers of pictures than the protocol's; None if there are statistics of the whole split.

        Raises:
            ValueError: in one line.
        """
        for what, wanted, found in (("generated", self.num_fake, num_fake), ("reference", self.num_real, num_real)):
            if None not in (wanted, found) and wanted != found:
                raise ValueError(f"protocol {self.name} wants {wanted} {what} pictures, not {found}")

    def identity(self) -> dict[str, Any]:
        """What features of one picture depend on, as plain data that is the same on every machine."""
        return {"features": self.features.name, "resize": self.features.resize, "quantisation": QUANTISATION}

    def record(self, **counts: int) -> dict[str, Any]:
        """What must be known to compare scores with others; `counts` of pictures by part, e.g. `real` and `fake`."""
        return {
            "protocol": self.name,
            "features": describe(self.features),
            "resize": self.features.resize,
            "quantisation": QUANTISATION,
            "split": self.split,
            "frechet_reference": WHOLE_SPLIT if self.whole_split else "the reference pictures",
            **{f"num_{part}": num for part, num in counts.items()},
            "k": self.k,
            "ball": self.ball,
            "torch": str(torch.__version__),
        }


class TorchFidelity(EvaluationProtocol):
    """50,000 pictures against the whole training split, as torch-fidelity compares them by its defaults.

    Its Inception resizes by TensorFlow 1's bilinear filter. Split and numbers are those of its CIFAR-10 examples; the
    program itself leaves them open. It takes VGG16 features for precision and recall, which are Inception's here.

    Args:
        weights: as for `InceptionV3`.

    Raises:
        ValueError: if the Inception weights are missing.
    """

    source: ClassVar[str] = "Obukhov et al., 2020, torch-fidelity"
    name = "torch-fidelity"

    def __init__(self, weights: str | None = None) -> None:
        self.features = InceptionV3(weights)


class ADM(EvaluationProtocol):
    """50,000 pictures against statistics of the whole training split; 10,000 of it for precision and recall.

    The filter is that of the Inception graph, TensorFlow 1's bilinear. Two things of the released evaluation are not
    followed: samples were cut off, not rounded, to 8 bits before it; and distances of pairs were taken in float16.

    Args:
        weights: as for `InceptionV3`.

    Raises:
        ValueError: if the Inception weights are missing.
    """

    source: ClassVar[str] = "Dhariwal and Nichol, 2021, arXiv 2105.05233"
    name = "adm"
    num_real = 10_000
    whole_split = True

    def __init__(self, weights: str | None = None) -> None:
        self.features = InceptionV3(weights)


class Clean(EvaluationProtocol):
    """50,000 pictures against the whole training split, through a bicubic, antialiased filter without rounding.

    Args:
        weights: as for `InceptionV3`.

    Raises:
        ValueError: if the Inception weights are missing.
    """

    source: ClassVar[str] = "Parmar et al., 2022, arXiv 2104.11222"
    name = "clean"

    def __init__(self, weights: str | None = None) -> None:
        self.features = CleanInceptionV3(weights)


class Offline(EvaluationProtocol):
    """As many pictures as there are held-out ones, against these, through an EfficientNet-Lite0 that installs offline.

    Scores compare methods on one data set; they are no FID.

    Raises:
        ValueError: if the package of the extra `demo` is missing.
    """

    source: ClassVar[str] = "Tan and Le, 2019, arXiv 1905.11946"
    name = "offline"
    split = "val"
    num_fake = None

    def __init__(self) -> None:
        self.features = EfficientNetLite0()

    def check(self, num_real: int | None, num_fake: int) -> None:
        if num_real not in (None, num_fake):
            raise ValueError(
                f"protocol {self.name} wants as many generated as reference pictures, not {num_fake} and {num_real}"
            )


class Custom(EvaluationProtocol):
    """Any features and any numbers of pictures: for looking on while training, and for comparisons of one's own.

    Args:
        features: the network that pictures are compared through.
        k: neighbours in precision, recall, density and coverage.
        ball: `closed` or `open`.

    Raises:
        ValueError: if k is below 1, or there is no such ball.
    """

    source: ClassVar[str] = "lightgen"
    name = "custom"
    split = None
    num_fake = None

    def __init__(self, features: FeatureNetwork, k: int = 3, ball: Ball = "closed") -> None:
        check_neighbours(k, ball)
        self.features, self.k, self.ball = features, k, ball
