"""Training of a prior, stage two."""

from __future__ import annotations

import copy
import itertools
import logging
import math
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lightgen.assembly import no_role
from lightgen.checkpoint import load, load_tokenizer
from lightgen.condition import Condition
from lightgen.conditioners.base import Conditioner
from lightgen.functional.boxes import BOX_TEXTS
from lightgen.functional.random import Noise
from lightgen.functional.text import CAPTION
from lightgen.modules.base import TrainingModule
from lightgen.modules.initial import take
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory
from lightgen.networks.activation_checkpointing import checkpoint_activations
from lightgen.networks.base import Network, NetworkFactory
from lightgen.prior import Prior
from lightgen.processes.base import DENOISER, ProcessFactory
from lightgen.processes.likelihood import estimate
from lightgen.recipe import Recipe
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import Batch, Denoise

log = logging.getLogger(__name__)

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

    Raises:
        ValueError: if the tokenizer's checkpoint cannot be read, or parts do not fit each other.
    """

    product: ClassVar[str] = "prior"
    frozen = ("tokenizer",)
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
    ) -> None:
        super().__init__(optimizer, scheduler, max_skipped, compile)
        coder: Tokenizer = load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
        made = process(coder.layout.vocab_size)
        others = others or {}
        if unknown := others.keys() - set(made.roles):
            raise ValueError(no_role(made, min(unknown)))
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
            before: Prior = load(init_from, "prior")
            pairs: list[tuple[nn.Module, nn.Module]] = [(self.prior.network, before.network)]
            pairs += [(self.prior.others[role], before.others[role]) for role in others if role in before.others]
            for mine, theirs in pairs:
                for line in take(mine, theirs):
                    log.info(line)
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
        condition = self.condition(batch)
        if self.prior.network.conditioner is not None:
            condition = self.prior.network.conditioner.hide(condition, noise)
        output = self.prior.process.loss(conditioned(self.prior, condition), ids_BN, noise)
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

    def condition(self, batch: Batch) -> Condition:
        """What the pictures of a batch are, as far as the network can be told."""
        conditioner = self.prior.network.conditioner
        told = Condition(batch.get("condition", {}), batch.get("hidden", {}))
        return Condition() if conditioner is None else conditioner.ahead(told.keep(conditioner.names))

    def evaluate(self, split: str, batch: Batch) -> None:
        ids_BN = self.ids(batch)
        noise, networks = Noise(self.seed, batch["index"]), conditioned(self.prior, self.condition(batch))
        output = self.prior.process.loss(networks, ids_BN, noise)
        scores = {"loss": output.loss, **output.metrics}
        if self.prior.process.has_likelihood:
            bound: Any = self.prior.process
            bits = estimate(bound, networks[DENOISER], ids_BN, noise.fold(0)).mean() / math.log(2)
            scores["bits_per_token"] = bits / ids_BN.shape[1]
            scores["bits_per_dim"] = bits / self.prior.num_values
        for name, value in scores.items():
            self.add_to_mean(f"{split}/{name}", value, len(ids_BN))

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
