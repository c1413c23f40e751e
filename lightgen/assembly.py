"""Tokenizer, network and process put together: from noise to ids, and from ids to pictures, by a recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from lightgen.acceleration import Acceleration, Dtype, Mode, chosen, cuda_graph, narrow
from lightgen.asking import require_one_window, require_told
from lightgen.condition import Condition
from lightgen.conditioners.base import Conditioner
from lightgen.denoiser import Denoiser, NetworkLike
from lightgen.functional.random import Noise
from lightgen.guidance.base import ALL, Guidance
from lightgen.labels import LABEL, Categories
from lightgen.layout import Layout
from lightgen.networks.base import Network, require_sight
from lightgen.processes.base import Process
from lightgen.recipe import Recipe
from lightgen.samplers.base import Sampler, require_fit, require_restart, sampler_called
from lightgen.samplers.iteration import Iteration
from lightgen.samplers.recorded import Player
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import NEUTRAL, Batch, Canvas, Diffusing, NoiseFamily, OnStep, Sample, to_uint8, to_unit
from lightgen.windows import on_canvas

WITHOUT_MASK = (NoiseFamily.UNIFORM, NoiseFamily.CAUSAL)


class Beginning(NamedTuple):
    """Where sampling begins: see `Assembly.sample_ids`."""

    ids: Tensor | None = None
    known: Tensor | None = None
    start: float = 1.0


class Assembly(nn.Module):
    """The parts of a prior, and what they do together.

    Args:
        tokenizer, network, process, recipe, others: see `lightgen.prior.Prior`.
    """

    categories: Categories = MappingProxyType({})
    """Names of the classes by number, under "label", and of the values of other categories, as the data of the training
    call them; without those of which nobody said."""

    ckpt_path: str | None = None
    """What it was loaded from; None where it was made otherwise."""
    acceleration: Acceleration | None = None
    """What it was made fast by."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        network: Network,
        process: Process,
        recipe: Recipe,
        others: Mapping[str, Network] | None = None,
    ) -> None:
        super().__init__()
        require_sight(network, process.family)
        others = others or {}
        for role in others:
            if role not in process.roles:
                raise ValueError(no_role(process, role))
        self.tokenizer = tokenizer.eval().requires_grad_(False)
        self.network = network
        self.process = process
        self.recipe = recipe
        self.others = nn.ModuleDict(others)
        self.player: Player | None = None
        self.chosen(recipe)

    def chosen(
        self,
        recipe: Recipe | None = None,
        *,
        sampler: Sampler | str | None = None,
        steps: int | None = None,
        temperature: float | None = None,
        guidance: Guidance | float | None = None,
    ) -> Recipe:
        """The recipe to sample by: the given one, or the prior's own, with what else is given (`Recipe.changed`).

        Raises:
            ValueError: if its sampler does not fit the noise of the training, or its guidance the condition, or a
                value is of another type.
        """
        recipe = self.recipe if recipe is None else recipe
        if not isinstance(recipe, Recipe):
            raise ValueError(f"recipe must be a Recipe, not {recipe!r}; a sampler alone is given by sampler=")
        if isinstance(sampler, str):
            sampler = sampler_called(sampler, self.process.family, self.others.keys())()
        recipe = recipe.changed(sampler=sampler, steps=steps, temperature=temperature, guidance=guidance)
        require_fit(recipe.sampler, self.process.family, self.others.keys())
        if recipe.guidance is not None:
            guidance = recipe.guidance.numbered(self.classes)
            require_guidable(guidance, self.process.family, self.network.conditioner)
            recipe = recipe.replace(guidance=guidance)
        return recipe

    def train(self, mode: bool = True) -> Self:
        """Training mode for the network; the tokenizer stays as it is."""
        super().train(mode)
        self.tokenizer.eval()
        return self

    def accelerate(self, mode: Mode = "auto", dtype: Dtype = "auto", evaluations: int = 0) -> Acceleration:
        """Be as fast as the device allows, from here on: move the prior to it first.

        Weights that were narrowed stay so; load the checkpoint again to have them back.

        Args:
            mode: `graph` asks for each step at once, as a CUDA graph; `compile` compiles the networks besides; `off`
                does neither; `auto` takes what pays.
            dtype: of the weights of networks and decoder: `float32`, `bfloat16`, or `auto`, which narrows them on a
                CUDA device.
            evaluations: how many are to come, of single pictures: whether compiling pays.

        Returns:
            What was done, and why.

        Raises:
            ValueError: if the device cannot do it.

        >>> prior = lightgen.load("zoo:icons64-sundae")
        >>> print(prior.accelerate("off"))
        accelerate off, float32 weights: as asked for
        """
        found = chosen(mode, dtype, self.device, evaluations)
        self.adopt(found)
        return found

    def adopt(self, acceleration: Acceleration) -> None:
        """Do what was chosen for the device that the prior is on."""
        self.acceleration = acceleration
        networks = (self.network, *self.others.values())
        if acceleration.dtype == "bfloat16":
            for module in (*networks, self.tokenizer.decoding):
                narrow(module)
        if acceleration.mode == "compile":
            # The first batch by its own size; where pictures finish, once more for all sizes. One picture is another.
            for network in networks:
                network.compile()
        self.player = Player(cuda_graph) if acceleration.records else None

    @property
    def classes(self) -> Sequence[str] | None:
        """Names of the classes by number; None where nobody said."""
        return self.categories.get(LABEL)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    @property
    def num_values(self) -> int:
        """Values of a picture, C H W: what bits per dimension are per."""
        return self.tokenizer.channels * self.tokenizer.image_size[0] * self.tokenizer.image_size[1]

    def layout(self, canvas: Canvas | None = None) -> Layout:
        """The layout of a picture's tokens, or of a canvas.

        Raises:
            ValueError: if the canvas is smaller than one window, cuts a cell, or is anything but two numbers.
        """
        if not (canvas is None or (isinstance(canvas, (tuple, list)) and len(canvas) == 2)):
            raise ValueError(f"canvas must be (rows, columns) in windows, not {canvas!r}")
        return self.network.layout.on(canvas)

    def initial(self, noise: Noise, canvas: Canvas | None = None) -> Tensor:
        """All-noise ids (B, N), where sampling starts."""
        return self.process.initial(self.layout(canvas).num_tokens, noise)

    def told(self, batch: Batch) -> Condition:
        """What the pictures of a batch are, as far as the network can be told."""
        conditioner, told = self.network.conditioner, Condition(batch.get("condition", {}), batch.get("hidden", {}))
        return Condition() if conditioner is None else conditioner.ahead(told.keep(conditioner.names))

    def completed(self, condition: Condition | None, noise: Noise) -> Condition:
        """What B pictures are asked for, where a condition leaves it open, e.g. random classes.

        Raises:
            ValueError: if it asks for what the prior was not trained with, or has another number of rows.
        """
        conditioner, checked = self.network.conditioner, self._checked(condition, noise)
        return checked if conditioner is None else conditioner.complete(checked, noise)

    def _checked(self, condition: Condition | None, noise: Noise) -> Condition:
        conditioner, condition = self.network.conditioner, condition or Condition()
        known = () if conditioner is None else conditioner.names
        for name, tensor in condition.tensors.items():
            if name not in known:
                require_told(name, tensor, conditioner)
            if len(tensor) != len(noise.index):
                raise ValueError(f"{name} must have a row for each of {len(noise.index)} pictures, not {len(tensor)}")
        if conditioner is not None:
            conditioner.require(condition)
        return condition.to(self.device)

    def denoiser(
        self,
        noise: Noise,
        recipe: Recipe | None = None,
        condition: Condition | None = None,
        negative: Condition | None = None,
        canvas: Canvas | None = None,
    ) -> Denoiser:
        """What a sampler calls, for the pictures of `noise`. For the arguments see `sample_ids`."""
        recipe, layout = self.chosen(recipe), self.layout(canvas)
        networks: dict[str, NetworkLike] = {"denoiser": self.network, **self.others}
        require_one_window(condition or Condition(), canvas)
        if canvas is not None:
            networks = {role: on_canvas(network, layout) for role, network in networks.items()}  # type: ignore[arg-type]
        process: Any = self.process
        stepping: Diffusing | None = process if process.diffuses else None
        return Denoiser(
            networks["denoiser"], layout, self.completed(condition, noise), self._checked(negative, noise),
            recipe.warps, recipe.guidance, stepping, networks.get("critic"),
        )  # fmt: skip

    def iterate(
        self,
        noise: Noise,
        recipe: Recipe | None = None,
        condition: Condition | None = None,
        ids_BN: Tensor | None = None,
        known_BN: Tensor | None = None,
        canvas: Canvas | None = None,
        negative: Condition | None = None,
        watch: bool = False,
        start: float = 1.0,
    ) -> Iteration:
        """The same as `sample_ids`, step by step: an iterator to look at, edit and fork between the steps.

        Args:
            watch: whether to keep how sure the network is of each token.
        """
        if known_BN is not None and ids_BN is None:
            raise ValueError("known_BN says where ids_BN is given, so there must be ids_BN")
        if not 0 <= start <= 1:
            raise ValueError(f"start must be in [0, 1], not {start}")
        if start < 1:
            require_restart(self.process.family)
            if ids_BN is None:
                raise ValueError("start below 1 begins from a picture, which is given as ids_BN, and there is none")
        recipe = self.chosen(recipe)
        start_BN = self.initial(noise, canvas)
        if ids_BN is not None:
            start_BN = ids_BN if known_BN is None or start < 1 else torch.where(known_BN, ids_BN, start_BN)
        denoise = self.denoiser(noise, recipe, condition, negative, canvas)
        return recipe.sampler.iterate(denoise, start_BN, known_BN, noise, watch, self.player, start)

    def sample_ids(
        self,
        noise: Noise,
        recipe: Recipe | None = None,
        condition: Condition | None = None,
        ids_BN: Tensor | None = None,
        known_BN: Tensor | None = None,
        on_step: OnStep | None = None,
        canvas: Canvas | None = None,
        negative: Condition | None = None,
        start: float = 1.0,
    ) -> Sample:
        """Sample one batch of ids (B, N), one row a picture of `noise`.

        Args:
            noise: which pictures of which seed; on the prior's device.
            recipe: None means the prior's own.
            condition: what the B pictures are asked for; what it leaves open is drawn, e.g. classes.
            ids_BN: where to start, and what the known tokens are; None means all noise.
            known_BN: True where `ids_BN` is given and never changes.
            on_step: see `Sampler`.
            canvas: rows and columns, in windows of the size in training, for a larger grid (see `lightgen.windows`).
            negative: what guidance goes away from, in place of nothing.
            start: the time in [0, 1] at which `ids_BN` stand; 1 is all noise. `lightgen.editing.noised` gives both.
        """
        return self.iterate(noise, recipe, condition, ids_BN, known_BN, canvas, negative, start=start).run(on_step)

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """Ids (B, N) of uint8 images (B, C, H, W); the codes of a cell follow one another."""
        return self.layout().flatten(self.tokenizer.encode(to_unit(images)))

    @torch.no_grad()
    def decode(self, ids_BN: Tensor, canvas: Canvas | None = None) -> Tensor:
        """uint8 images (B, C, H, W) of ids (B, N), which may be those of a larger canvas.

        A cell that is still MASK is neutral grey; so is the whole picture where tokens stand on no grid.
        """
        layout = self.layout(canvas)
        written = ids_BN < layout.vocab_size
        if bool(written.all()):
            return to_uint8(self.tokenizer.decode(layout.unflatten(ids_BN)))
        images = to_uint8(self.tokenizer.decode(layout.unflatten(layout.filled(ids_BN))))
        return torch.where(layout.pixels(written, (images.shape[2], images.shape[3])), images, NEUTRAL)


def require_guidable(guidance: Guidance, family: NoiseFamily, conditioner: Conditioner | None) -> None:
    """Refuse guidance that asks a network for what it was not trained with.

    Raises:
        ValueError: in one line.
    """
    if guidance.needs_mask and family in WITHOUT_MASK:
        name, noise = type(guidance).__name__, family.value
        raise ValueError(f"{name} masks tokens, but a prior trained with {noise} noise knows no MASK")
    for branch in guidance.branches:
        replaced = dict(branch.replaced)
        if not (branch.hidden or replaced):
            continue
        if conditioner is None:
            raise ValueError("guidance needs a prior with a condition; this one was trained without "
                             "(model.conditioner: null)")  # fmt: skip
        hidden = conditioner.names if branch.hidden == ALL else branch.hidden
        if unknown := {*hidden, *replaced} - set(conditioner.names):
            there = ", ".join(conditioner.names)
            raise ValueError(f"guidance goes away from {', '.join(unknown)}; this prior was trained with {there}")
        if hidden and not conditioner.hides(hidden):
            raise ValueError("guidance needs a prior trained with dropout of its condition above 0, not this one")
        for name, value in replaced.items():
            try:
                conditioner.require(Condition({name: torch.tensor([value])}))
            except ValueError as error:
                raise ValueError(f"negative: {error}") from None


def no_role(process: Process, role: str) -> str:
    """What is said of a network in a role that a process does not train."""
    return (
        f"the process {type(process).__name__} trains no {role}, but {', '.join(process.roles) or 'one network alone'}"
    )
