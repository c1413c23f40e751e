"""A trained generator: tokenizer, network and process, ready to be sampled by any sampler that fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.denoiser import Denoiser, NetworkLike
from lightgen.functional.random import Noise, Stream
from lightgen.functional.tiling import canvas_grid
from lightgen.guidance import Guidance
from lightgen.networks.base import Network, require_sight
from lightgen.processes.base import Process
from lightgen.processes.masked import Masked
from lightgen.recipe import Recipe
from lightgen.registry import Component
from lightgen.samplers.base import require_fit
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import Canvas, Diffusing, Grid, OnStep, Sample, flatten_ids, to_uint8, to_unit, unflatten_ids
from lightgen.windows import on_canvas


class Prior(nn.Module, Component):
    """Everything that is needed to make pictures.

    Args:
        tokenizer: images to ids and back; frozen.
        network: noisy ids to logits.
        process: what the network was trained with.
        recipe: used where none is given.
        label_dropout: how often the class was hidden in training; without that there is no guidance.
        critic: clean ids to logits (B, N, 1) of whether each token is wrong, for samplers that ask for it.

    Raises:
        ValueError: if sampler, network or critic do not fit the process, or guidance the training.
    """

    kind: ClassVar[str] = "prior"
    source: ClassVar[str] = "McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(
        self,
        tokenizer: Tokenizer,
        network: Network,
        process: Process,
        recipe: Recipe,
        label_dropout: float = 0.0,
        critic: Network | None = None,
    ) -> None:
        super().__init__()
        require_sight(network, process.family)
        if critic is not None and not isinstance(process, Masked):
            raise ValueError(f"a critic needs a prior trained with absorbing noise, not {process.family.value} noise")
        self.tokenizer = tokenizer.eval().requires_grad_(False)
        self.network = network
        self.process = process
        self.recipe = recipe
        self.label_dropout = label_dropout
        self.critic = critic
        self.chosen(recipe)

    def chosen(self, recipe: Recipe | None) -> Recipe:
        """The recipe to sample by: the given one, or the prior's own.

        Raises:
            ValueError: if its sampler does not fit the noise of the training, or its guidance the classes.
        """
        recipe = recipe or self.recipe
        require_fit(recipe.sampler, self.process.family, self.critic is not None)
        if recipe.guidance is not None:
            self._require_guidable(recipe.guidance)
        return recipe

    def _require_guidable(self, guidance: Guidance) -> None:
        num_classes = self.network.num_classes
        if num_classes == 0:
            raise ValueError("guidance needs a prior with classes; this one was trained without (model.num_classes: 0)")
        if self.label_dropout == 0:
            raise ValueError("guidance needs a prior trained with model.label_dropout above 0; this one was not")
        if guidance.negative is not None and not 0 <= guidance.negative < num_classes:
            raise ValueError(f"negative must be a class in [0, {num_classes - 1}], not {guidance.negative}")

    def train(self, mode: bool = True) -> Prior:
        """Training mode for the network; the tokenizer stays as it is."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def num_values(self) -> int:
        """Values of a picture, C H W: what bits per dimension are per."""
        return self.tokenizer.channels * self.tokenizer.image_size[0] * self.tokenizer.image_size[1]

    def grid(self, canvas: Canvas | None = None) -> Grid:
        """Cells (h, w) of a picture, or of a canvas.

        Raises:
            ValueError: if the canvas is smaller than one window, or cuts a cell.
        """
        return self.network.grid if canvas is None else canvas_grid(self.network.grid, canvas)

    def initial(self, noise: Noise, canvas: Canvas | None = None) -> Tensor:
        """All-noise ids (B, N), where sampling starts."""
        h, w = self.grid(canvas)
        return self.process.initial(self.network.num_codes * h * w, noise)

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
        recipe: Recipe | None = None,
        label: int | Sequence[int] | Tensor | None = None,
        ids_BN: Tensor | None = None,
        known_BN: Tensor | None = None,
        on_step: OnStep | None = None,
        canvas: Canvas | None = None,
    ) -> Sample:
        """Sample one batch of ids (B, N), one row a picture of `noise`.

        Args:
            noise: which pictures of which seed; on the prior's device.
            recipe: None means the prior's own.
            label: one class id, one for each picture, or None for random classes.
            ids_BN: where to start, and what the known tokens are; None means all noise.
            known_BN: True where `ids_BN` is given and never changes.
            on_step: see `Sampler`.
            canvas: rows and columns, in windows of the size in training, for a larger grid (see `lightgen.windows`).
        """
        recipe = self.chosen(recipe)
        start_BN = self.initial(noise, canvas)
        if ids_BN is not None:
            start_BN = ids_BN if known_BN is None else torch.where(known_BN, ids_BN, start_BN)
        network: NetworkLike = self.network
        critic: NetworkLike | None = self.critic
        if canvas is not None:
            network = on_canvas(self.network, self.grid(canvas))
            critic = None if self.critic is None else on_canvas(self.critic, self.grid(canvas))
        denoiser = Denoiser(
            network,
            self.labels(label, noise),
            recipe.warps,
            self.grid(canvas),
            self.process if isinstance(self.process, Diffusing) else None,
            recipe.guidance,
            self.network.num_classes,
            self.network.reads_time,
            critic,
        )
        return recipe.sampler(denoiser, start_BN, known_BN, noise, on_step)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Ids (B, N) of uint8 images (B, C, H, W); the codes of a cell follow one another."""
        return flatten_ids(self.tokenizer.encode(to_unit(images)))

    @torch.no_grad()
    def decode(self, ids_BN: Tensor, canvas: Canvas | None = None) -> Tensor:
        """uint8 images (B, C, H, W) of ids (B, N), which may be those of a larger canvas."""
        return to_uint8(self.tokenizer.decode(unflatten_ids(ids_BN, self.grid(canvas))))

    def sample(
        self,
        num_images: int,
        recipe: Recipe | None = None,
        seed: int = 0,
        label: int | None = None,
        batch_size: int = 64,
        canvas: Canvas | None = None,
    ) -> Tensor:
        """uint8 images (num_images, C, H, W). Picture i of a seed is the same whatever the number and batch size.

        That holds up to the rounding of the network, whose matrix products may differ in the last bit with the
        number of rows.
        """
        batches = []
        for first in range(0, num_images, batch_size):
            noise = Noise.of(seed, min(batch_size, num_images - first), first, self.device)
            sample = self.sample_ids(noise, recipe, label, canvas=canvas)
            batches.append(self.decode(sample.ids, canvas))
        return torch.cat(batches)
