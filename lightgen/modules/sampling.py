"""Sampling through Lightning's predict loop, so that devices and nodes share the work."""

from __future__ import annotations

from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightgen.modules.precision import require_precision
from lightgen.sampling import SampledPictures, Sampling


class SamplingModule(LightningModule):
    """Predicts the pictures whose numbers are in the batch."""

    def __init__(self, sampling: Sampling) -> None:
        super().__init__()
        self.sampling = sampling
        self.priors = nn.ModuleList(sampling.priors)

    def setup(self, stage: str) -> None:
        require_precision(self.trainer)

    def on_predict_start(self) -> None:
        self.sampling.begin()

    def predict_step(self, batch: Tensor, batch_idx: int) -> SampledPictures:
        return self.sampling(batch)


def indices(num_images: int, batch_size: int) -> DataLoader[int]:
    """Picture numbers 0 to num_images - 1; Lightning divides them among ranks without repeats."""
    return DataLoader(range(num_images), batch_size=batch_size)  # type: ignore[arg-type]
