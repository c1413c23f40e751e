"""Training of a prior, stage two."""

from __future__ import annotations

import copy
import itertools
import logging
import math
from collections.abc import Iterable
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from lightgen.assembly import no_role
from lightgen.checkpoint import load, load_tokenizer
from lightgen.condition import KNOWN, Condition
from lightgen.conditioners.base import Conditioner
from lightgen.conditioners.known_cells import KnownCells
from lightgen.conditioners.low_resolution import levels
from lightgen.conditioners.mixed import Mixed
from lightgen.functional.boxes import BOX_TEXTS
from lightgen.functional.random import Noise
from lightgen.functional.text import CAPTION
from lightgen.layout import Layout
from lightgen.modules.base import TrainingModule
from lightgen.modules.initial import require_same_ids, take
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory
from lightgen.networks.activation_checkpointing import checkpoint_activations
from lightgen.networks.base import Network, NetworkFactory
from lightgen.networks.low_rank import adapt
from lightgen.prior import Prior
from lightgen.processes.base import DENOISER, Process, ProcessFactory
from lightgen.processes.likelihood import estimate
from lightgen.recipe import Recipe
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import Batch, Denoise

log = logging.getLogger(__name__)

CERTAIN = 60.0
"""A logit beside zeros of which the cross-entropy is 0 in float32."""
OBSERVED_BATCHES = 200
"""Batches of training data that an informed process looks at."""


class PriorModule(TrainingModule):
    """Trains a network on the ids of a frozen tokenizer, by any process.

    Args:
        tokenizer: a tokenizer, or the path of a checkpoint that `lightgen fit` wrote while training one.
        network: the network's class and options; its sizes follow from the tokenizer and the process.
        process: the process's class and options.
        recipe: sampler, warps and guidance of previews, and the checkpoint's default; they can be swapped at any time.
        conditioner: what the network is told beside the ids, e.g. a `ClassLabel`; None for nothing.
        optimizer: called with the network's parameters.
        scheduler: called with the optimizer; advances every batch.
        seed: of the corruption; the same seed repeats a training run to the bit.
        others: class and options of networks trained beside the first, by role, e.g. `critic`.
        max_skipped: so many updates in a row with a loss or gradient that is not finite end the run.
        compile: whether to compile the networks; None does on a CUDA device.
        activation_checkpointing: whether to work out the activations in a block again where its gradient needs them,
            which takes one forward pass more, and memory for one block in place of all.
        init_from: a prior's checkpoint; weights of the same name and shape begin as they are there.
        lora_rank: with `init_from`, train matrices of this rank beside those that are taken, and only those (Hu et
            al., 2021, arXiv 2106.09685); a checkpoint is read with the two added. None trains all weights.
        known: tells the network which cells are known, beside `conditioner`, and trains it to fill holes. Known tokens
            are read as they are, count as right, and give no gradient. None trains on whole pictures.

    Raises:
        ValueError: if a checkpoint cannot be read, or parts do not fit each other.
    """

    product: ClassVar[str] = "prior"
    frozen = ("tokenizer",)
    is_spreadable: ClassVar[bool] = True
    source: ClassVar[str] = "McKinney and Willcocks, 2022, arXiv 2206.12351"

    def __init__(
        self,
        tokenizer: Tokenizer | str,
        network: NetworkFactory,
        process: ProcessFactory,
        recipe: Recipe,
        conditioner: Conditioner | None = None,
        optimizer: OptimizerFactory = torch.optim.AdamW,
        scheduler: SchedulerFactory | None = None,
        seed: int = 0,
        others: dict[str, NetworkFactory] | None = None,
        max_skipped: int = 20,
        compile: bool | None = None,
        activation_checkpointing: bool = False,
        init_from: str | None = None,
        lora_rank: int | None = None,
        known: KnownCells | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler, max_skipped, compile)
        coder: Tokenizer = load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
        made = process(coder.layout.vocab_size)
        others = others or {}
        if unknown := others.keys() - set(made.roles):
            raise ValueError(no_role(made, min(unknown)))
        if known is not None:
            require_holes(made, coder.layout, conditioner)
            conditioner = known if conditioner is None else Mixed([conditioner, known], dropout=0.0)
        # Each network has parameters of its own for the condition.
        conditioners = {role: copy.deepcopy(conditioner) for role in others}
        self.prior = Prior(
            coder,
            network(made.interface(coder.layout, conditioner)),
            made,
            recipe,
            {role: make(made.interface(coder.layout, conditioners[role], role)) for role, make in others.items()},
        )
        self.seed = seed
        if init_from is not None:
            self._begin_with(load(init_from, "prior"), lora_rank)
        elif lora_rank is not None:
            raise ValueError("lora_rank goes with --init_from: it adds to weights that are trained already")
        if activation_checkpointing:
            for part in self.compiled_parts():
                checkpoint_activations(part)

    def compiled_parts(self) -> Iterable[nn.Module]:
        return (self.prior.network, *self.prior.others.values())

    def on_fit_start(self) -> None:
        super().on_fit_start()
        conditioner = self.prior.network.conditioner
        if conditioner is not None:
            told = getattr(getattr(self.trainer, "datamodule", None), "conditions", None)
            # Some classes would be out of range, others never trained.
            conditioner.require_data(told)
            for level in levels(conditioner):
                level.require_ids(*getattr(getattr(self.trainer, "datamodule", None), "level", (None, None)))
            told = told or {}
            self.prior.categories = {name: tuple(told[name]) for name in conditioner.names if told.get(name)}
            self._learn_texts()
        if self.prior.process.informed and self.trainer.global_step == 0:
            self.prior.process.observe(self._code_counts())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        self.guard.remember(self.prior.process.buffers())
        ids_BN = self.ids(batch)
        first = self.global_rank * len(ids_BN)
        noise = Noise.of(self.seed, len(ids_BN), first, self.device).fold(self._batches_done())
        condition = self.prior.told(batch)
        if self.prior.network.conditioner is not None:
            condition = self.prior.network.conditioner.hide(condition, noise)
        output = self.prior.process.loss(with_holes(self.prior, condition, ids_BN, noise), ids_BN, noise)
        self.guard.see(output.loss)
        self.log("train/loss", output.loss.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value for name, value in output.metrics.items()})
        return output.loss

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """uint8 pictures, one for each row of the batch, numbered by its `index` (see also `lightgen sample`)."""
        return self.prior.decode(self.prior.sample_ids(Noise(self.seed, batch["index"])).ids)

    @torch.no_grad()
    def ids(self, batch: Batch) -> Tensor:
        """Ids (B, N) of a batch, which holds them already or holds images."""
        return self.prior.layout().flatten(batch["ids"].long()) if "ids" in batch else self.prior.encode(batch["image"])

    def evaluate(self, split: str, batch: Batch) -> None:
        ids_BN = self.ids(batch)
        noise, condition = Noise(self.seed, batch["index"]), self.prior.told(batch)
        output = self.prior.process.loss(with_holes(self.prior, condition, ids_BN, noise), ids_BN, noise)
        scores = {"loss": output.loss, **output.metrics}
        if self.prior.process.has_likelihood:
            # Of whole pictures, so that they compare with those of other priors.
            bound, whole = cast(Any, self.prior.process), conditioned(self.prior, condition)[DENOISER]
            bits = estimate(bound, whole, ids_BN, noise.fold(0)).mean() / math.log(2)
            scores["bits_per_token"] = bits / ids_BN.shape[1]
            scores["bits_per_dim"] = bits / self.prior.num_values
        for name, value in scores.items():
            self.add_to_mean(f"{split}/{name}", value, len(ids_BN))

    def _begin_with(self, before: Prior, lora_rank: int | None) -> None:
        require_same_ids(self.prior.tokenizer, before.tokenizer)
        mine: dict[str, Any] = {DENOISER: self.prior.network, **self.prior.others}
        theirs: dict[str, Any] = {DENOISER: before.network, **before.others}
        for role in mine.keys() & theirs.keys():
            anew, table = take(mine[role], theirs[role])
            for line in table:
                log.info(line)
            if lora_rank is not None:
                adapt(mine[role], lora_rank, anew)

    def _learn_texts(self) -> None:
        conditioners: list[Any] = [part.conditioner for part in (self.prior.network, *self.prior.others.values())]
        if {CAPTION, BOX_TEXTS} & {*conditioners[0].names}:
            texts: list[str] = getattr(getattr(self.trainer, "datamodule", None), "train_captions", list)()
            for conditioner in conditioners:
                conditioner.learn(texts)

    def _code_counts(self) -> Tensor:
        """(V,) how often each code stands in the first batches of the training data, over all ranks."""
        loader = self.trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
        counts = torch.zeros(self.prior.layout().vocab_size, device=self.device)
        for batch in itertools.islice(loader, OBSERVED_BATCHES):
            ids = self.ids(self.transfer_batch_to_device(batch, self.device, 0))
            counts += torch.bincount(ids.flatten(), minlength=len(counts))
        return torch.as_tensor(self.trainer.strategy.reduce(counts, reduce_op="sum"))


def conditioned(prior: Prior, condition: Condition) -> dict[str, Denoise]:
    """A prior's networks by role, with a batch's condition bound: what a process trains."""
    networks: dict[str, Any] = {DENOISER: prior.network, **prior.others}
    return {role: Conditioned(network, condition) for role, network in networks.items()}


def with_holes(prior: Prior, condition: Condition, ids_BN: Tensor, noise: Noise) -> dict[str, Denoise]:
    """The same, where the conditioner says what of the clean ids (B, N) is known: all but the holes that are drawn."""
    conditioner, layout = prior.network.conditioner, prior.layout()
    cells = None if conditioner is None else conditioner.holes(layout.grid, noise)
    if cells is None:
        return conditioned(prior, condition)
    networks = conditioned(prior, condition.replace(**{KNOWN: cells}))
    known = cells.repeat_interleave(layout.num_codes, 1)
    return {**networks, DENOISER: Knowing(networks[DENOISER], ids_BN, known)}


def require_holes(process: Process, layout: Layout, conditioner: Conditioner | None) -> None:
    """Refuse to train a network to fill holes that could not.

    Raises:
        ValueError: in one line.
    """
    if not process.diffuses:
        raise ValueError(f"known: a network trained with {process.family.value} noise sees only what comes before a "
                         "token, and not what is around a hole; --model.known null does without")  # fmt: skip
    if not layout.is_grid:
        raise ValueError("known: a part of a picture can be known only where tokens stand on a grid; these do not")
    if conditioner is not None and conditioner.reads_known:
        raise ValueError("known: the conditioner is told the known cells already; --model.known null adds no other")


class Conditioned(nn.Module):
    """A network with a condition bound.

    Its context is made anew at each call, since an unroll is differentiated before the next one begins.
    """

    def __init__(self, network: Network, condition: Condition) -> None:
        super().__init__()
        self.network = network
        self.condition = condition

    def forward(self, ids_BN: Tensor, time: Tensor | None = None) -> Tensor:
        logits: Tensor = self.network(ids_BN, time, self.network.context(self.condition, len(ids_BN)))
        return logits


class Knowing(nn.Module):
    """A network to which some tokens are given: it reads them as they are, and is certain of them.

    So no process needs to know of holes: what it does to a known token is not read, and its loss there is 0 (or, with
    label smoothing, the constant that a certain answer costs).
    """

    def __init__(self, denoise: Denoise, ids_BN: Tensor, known_BN: Tensor) -> None:
        super().__init__()
        self.denoise: Any = denoise
        self.ids, self.known = ids_BN, known_BN

    def forward(self, ids_BN: Tensor, time: Tensor | None = None) -> Tensor:
        logits: Tensor = self.denoise(torch.where(self.known, self.ids, ids_BN), time)
        certain = CERTAIN * one_hot(self.ids, logits.shape[-1]).to(logits)
        return torch.where(self.known[..., None], certain, logits)
