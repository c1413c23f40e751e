"""How well a tokenizer does, before anything is built on it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn
from torchmetrics import MeanMetric, Metric, SumMetric
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.utilities import dim_zero_cat

from lightgen.functional.distances import frechet_distance
from lightgen.functional.random import Noise, Stream
from lightgen.layout import Layout
from lightgen.losses.perceptual import Perceptual
from lightgen.metrics.base import frechet_name
from lightgen.metrics.codebook import CodebookUsage
from lightgen.metrics.features import FeatureNetwork
from lightgen.registry import Component
from lightgen.types import to_uint8, to_unit


class Coder(Protocol):
    """What is examined: a tokenizer."""

    @property
    def layout(self) -> Layout:
        """Where its ids stand."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Ids (B, ...) of images (B, C, H, W) in [-1, 1]."""
        ...

    def decode(self, ids: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] of ids (B, ...)."""
        ...


class Health(nn.Module, Component):
    """Scores of reconstructions and of the codebook, over all ranks, of pictures rounded to 8 bits.

    PSNR, SSIM and codebook usage always; a perceptual distance and Frechet distances where a network is given. The
    Frechet distance of pictures decoded after a share of the tokens was replaced by random codes tells how a decoder
    takes a prior's mistakes, so it says more about generation than the one of reconstructions.

    Args:
        layout: of the tokenizer's ids.
        features: the network of the Frechet distances; None leaves them out.
        perceptual: a distance to report; None leaves it out.
        random_share: of the tokens to replace, in (0, 1].
        low_usage: the codebook is called unhealthy when fewer codes are used than this share of those that as many
            tokens, drawn evenly, would use; in [0, 1], 0 never does.
        seed: of the random codes, which are the same for a picture at every validation.

    Raises:
        ValueError: if `random_share` or `low_usage` is out of range.
    """

    kind: ClassVar[str] = "health"
    source: ClassVar[str] = "Heusel et al., 2017, arXiv 1706.08500; Zhang et al., 2018, arXiv 1801.03924"

    def __init__(
        self,
        layout: Layout,
        features: FeatureNetwork | None = None,
        perceptual: Perceptual | None = None,
        random_share: float = 0.1,
        low_usage: float = 0.25,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < random_share <= 1:
            raise ValueError(f"random_share must be in (0, 1], not {random_share}")
        if not 0 <= low_usage <= 1:
            raise ValueError(f"low_usage must be in [0, 1], not {low_usage}")
        self.vocab_size = layout.vocab_size
        self.total = layout.vocab_size * layout.num_codes
        self.random_share = random_share
        self.low_usage = low_usage
        self.seed = seed
        self.psnr = PeakSignalNoiseRatio(data_range=(-1.0, 1.0), dim=(1, 2, 3))
        self.ssim = StructuralSimilarityIndexMeasure(data_range=(-1.0, 1.0))
        self.usage = CodebookUsage(layout.vocab_size, layout.num_codes)
        self.num_tokens = SumMetric()
        self.perceptual = perceptual
        self.distance = MeanMetric() if perceptual is not None else None
        self.frechet = ReconstructionDistance(features, random_share) if features is not None else None

    @torch.no_grad()
    def update(self, tokenizer: Coder, pictures: Tensor, index: Tensor) -> Tensor:
        """Count uint8 pictures (B, C, H, W) with their numbers (B,) in the split; their reconstructions in [-1, 1]."""
        images = to_unit(pictures)
        ids = tokenizer.encode(images)
        decoded = to_uint8(tokenizer.decode(ids))
        reconstruction = to_unit(decoded)
        self.psnr.update(reconstruction, images)
        self.ssim.update(reconstruction, images)
        self.usage.update(ids)
        self.num_tokens.update(ids.numel())
        if self.distance is not None and self.perceptual is not None:
            self.distance.update(self.perceptual(reconstruction, images), len(images))
        if self.frechet is not None:
            disturbed = replace_at_random(ids, self.random_share, self.vocab_size, Noise(self.seed, index))
            self.frechet.update(pictures, decoded, to_uint8(tokenizer.decode(disturbed)))
        return reconstruction

    def compute(self) -> dict[str, Tensor]:
        """Scores by name."""
        usage = {f"codebook_{name}": value for name, value in self.usage.compute().items()}
        scores = {"psnr": self.psnr.compute(), "ssim": self.ssim.compute(), **usage}
        if self.distance is not None and self.perceptual is not None:
            scores[self.perceptual.name] = self.distance.compute()
        if self.frechet is not None:
            scores |= self.frechet.compute()
        return scores  # type: ignore[return-value]

    def advice(self, usage: Tensor) -> str | None:
        """A line on what to do where too small a share of the codes is used, else None. Every rank must ask."""
        evenly = 1 - math.exp(-float(self.num_tokens.compute()) / self.total)
        if usage >= self.low_usage * evenly:
            return None
        return (
            f"only {round(float(usage) * self.total)} of {self.total} codes are in use: "
            "revive dead ones sooner (VQ's dead_below), take a smaller codebook, or FSQ, which cannot collapse"
        )

    def reset(self) -> None:
        """Forget everything."""
        for metric in self.children():
            assert isinstance(metric, Metric)
            metric.reset()


HealthFactory = Callable[[Layout], Health]
"""Called with the layout of the tokenizer's ids."""


class ReconstructionDistance(Metric):
    """Frechet distances of pictures to their reconstructions, and to those with some tokens replaced.

    Args:
        features: the network; only Inception's distance is called FID.
        random_share: of the tokens that were replaced; part of the score's name.
    """

    real: list[Tensor]
    decoded: list[Tensor]
    disturbed: list[Tensor]
    full_state_update = False

    def __init__(self, features: FeatureNetwork, random_share: float) -> None:
        super().__init__()
        self.features = features
        self.random_share = random_share
        for name in ("real", "decoded", "disturbed"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, real: Tensor, decoded: Tensor, disturbed: Tensor) -> None:
        """Add uint8 pictures (B, C, H, W), their reconstructions, and those with replaced tokens."""
        self.real.append(self.features(real))
        self.decoded.append(self.features(decoded))
        self.disturbed.append(self.features(disturbed))

    def compute(self) -> dict[str, Tensor]:
        """The two distances by name."""
        real = dim_zero_cat(self.real)
        name = frechet_name(self.features.name)
        return {
            name: frechet_distance(real, dim_zero_cat(self.decoded)).float(),
            f"{name} {self.random_share:.0%} random": frechet_distance(real, dim_zero_cat(self.disturbed)).float(),
        }


def replace_at_random(ids: Tensor, share: float, vocab_size: int, noise: Noise) -> Tensor:
    """Ids (B, ...) of which each was replaced by a random code with probability `share`."""
    num = ids[0].numel()
    replaced = noise.uniform(0, Stream.REPLACE, num) < share
    return torch.where(replaced.view_as(ids), noise.integers(0, Stream.TOKEN, num, vocab_size).view_as(ids), ids)
