"""Means over a split that hide nothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import MeanMetric, SumMetric


class Means:
    """Means of named values over a split and over ranks, where Lightning's own are wrong: those weigh ranks alike that
    hold different numbers of pictures. A value that is not finite makes its mean so, and is counted.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.means: dict[str, MeanMetric] = {}
        self.batches: dict[str, tuple[SumMetric, SumMetric]] = {}

    def add(self, name: str, value: Tensor, num: int) -> None:
        """Count a mean over `num` pictures."""
        if name not in self.means:
            # torchmetrics' own way is to leave NaN out.
            self.means[name] = MeanMetric(nan_strategy="disable").to(self.device)
            self.batches[name] = (SumMetric().to(self.device), SumMetric().to(self.device))
        self.means[name].update(value, num)
        bad, all_ = self.batches[name]
        bad.update(~torch.as_tensor(value).isfinite())
        all_.update(1)

    def compute(self) -> tuple[dict[str, Tensor], list[str]]:
        """The means by name, and a line on each that had batches that were not finite. Every rank must ask."""
        counts = {name: (int(bad.compute()), int(all_.compute())) for name, (bad, all_) in self.batches.items()}
        lines = [f"{name} was not finite on {bad} of {all_} batches" for name, (bad, all_) in counts.items() if bad]
        return {name: mean.compute() for name, mean in self.means.items()}, lines
