"""Means over a split that hide nothing."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import SumMetric


class Means:
    """Means of named values over a split and over ranks, where Lightning's own are wrong: those weigh ranks alike that
    hold different numbers of pictures. A value that is not finite makes its mean so, and is counted.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.sums: dict[str, dict[str, SumMetric]] = {}

    def add(self, name: str, value: Tensor, num: int) -> None:
        """Count a mean over `num` pictures."""
        value = torch.as_tensor(value)
        added: dict[str, float | Tensor] = {
            "value": value * num,
            "pictures": num,
            "bad": (~value.isfinite()).float(),
            "batches": 1,
        }
        if name not in self.sums:
            # Sums, because torchmetrics' mean leaves NaN out, or forgets the weights where it is told not to.
            self.sums[name] = {part: SumMetric(nan_strategy="disable").to(self.device) for part in added}
        for part, amount in added.items():
            self.sums[name][part].update(amount)

    def compute(self) -> tuple[dict[str, Tensor], list[str]]:
        """The means by name, and a line on each that had batches that were not finite. Every rank must ask."""
        means, lines = {}, []
        for name, sums in self.sums.items():
            total = {part: metric.compute() for part, metric in sums.items()}
            means[name] = total["value"] / total["pictures"]
            if bad := int(total["bad"]):
                lines.append(f"{name} was not finite on {bad} of {int(total['batches'])} batches")
        return means, lines
