"""A trained generator: tokenizer, network and process, ready to be sampled by any sampler that fits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.checkpoint import restore
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise, Stream
from lightgen.networks.base import Network
from lightgen.processes.base import Process
from lightgen.processes.diffusion import Diffusion
from lightgen.registry import Component
from lightgen.samplers.base import Sampler, require_fit
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import OnStep, Sample, to_uint8
from lightgen.warps import Warps


class Prior(nn.Module, Component):
    """Everything that is needed to make pictures.

    Args:
        tokenizer: images to ids and back; frozen.
        network: noisy ids to logits.
        process: what the network was trained with.
        sampler: used where none is given.
        warps: used where none are given.

    Raises:
        ValueError: if the sampler does not fit the process.
    """

    kind: ClassVar[str] = "prior"
    source: ClassVar[str] = "McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(
        self, tokenizer: Tokenizer, network: Network, process: Process, sampler: Sampler, warps: Warps | None = None
    ) -> None:
        super().__init__()
        require_fit(sampler, process.family)
        self.tokenizer = tokenizer.eval().requires_grad_(False)
        self.network = network
        self.process = process
        self.sampler = sampler
        self.warps = warps or Warps()

    def train(self, mode: bool = True) -> Prior:
        """Training mode for the network; the tokenizer stays as it is."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def labels(self, label: int | Sequence[int] | Tensor | None, noise: Noise) -> Tensor | None:
        """(B,) class ids: the given ones, or uniformly random ones; None for a prior without classes.

        Raises:
            ValueError: if the prior has no such class.
        """
        num_classes = self.network.num_classes
        if num_classes == 0:
            if label is not None:
                raise ValueError(f"label {label} was given, but this prior was trained without classes")
            return None
        if label is None:
            return noise.integers(0, Stream.CONDITION, 1, num_classes).squeeze(1)
        label_B = torch.as_tensor(label, device=self.device).expand(len(noise.index))
        if bool(((label_B < 0) | (label_B > num_classes)).any()):
            raise ValueError(f"label must be in [0, {num_classes - 1}], or {num_classes} for no class, not {label}")
        return label_B

    def sample_ids(
        self,
        noise: Noise,
        sampler: Sampler | None = None,
        warps: Warps | None = None,
        label: int | Sequence[int] | Tensor | None = None,
        ids_BN: Tensor | None = None,
        known_BN: Tensor | None = None,
        on_step: OnStep | None = None,
    ) -> Sample:
        """Sample one batch of ids (B, N), one row a picture of `noise`.

        Args:
            noise: which pictures of which seed; on the prior's device.
            sampler: None means the prior's own.
            warps: None means the prior's own.
            label: one class id, one for each picture, or None for random classes.
            ids_BN: where to start, and what the known tokens are; None means all noise.
            known_BN: True where `ids_BN` is given and never changes.
            on_step: see `Sampler`.
        """
        sampler = sampler or self.sampler
        require_fit(sampler, self.process.family)
        h, w = self.network.grid
        start_BN = self.process.initial(h * w, noise)
        if ids_BN is not None:
            start_BN = ids_BN if known_BN is None else torch.where(known_BN, ids_BN, start_BN)
        process = self.process if isinstance(self.process, Diffusion) else None
        denoiser = Denoiser(self.network, self.labels(label, noise), warps or self.warps, (h, w), process)
        return sampler(denoiser, start_BN, known_BN, noise, on_step)

    @torch.no_grad()
    def decode(self, ids_BN: Tensor) -> Tensor:
        """uint8 images (B, C, H, W) of ids (B, N)."""
        return to_uint8(self.tokenizer.decode(ids_BN.unflatten(1, self.network.grid)))

    def sample(
        self,
        num_images: int,
        sampler: Sampler | None = None,
        warps: Warps | None = None,
        seed: int = 0,
        label: int | None = None,
        batch_size: int = 64,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W). Picture i of a seed is the same whatever the number and batch size.

        That holds up to the rounding of the network, whose matrix products may differ in the last bit with the
        number of rows.
        """
        batches = []
        for first in range(0, num_images, batch_size):
            noise = Noise.of(seed, min(batch_size, num_images - first), first, self.device)
            batches.append(self.decode(self.sample_ids(noise, sampler, warps, label).ids))
        return torch.cat(batches)


def load(path: str | Path) -> Prior:
    """The prior in a checkpoint, with its averaged weights where it has them, on the CPU and in eval mode.

    Raises:
        ValueError: in one line, if the file is missing, foreign, damaged or carries pickled code.
    """
    prior: Prior = restore(path, "prior")
    return prior
