"""Training of a prior, stage two."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from lightgen.checkpoint import load_tokenizer
from lightgen.functional.random import Noise, Stream
from lightgen.losses.critic import critic_loss
from lightgen.modules.base import TrainingModule
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory
from lightgen.networks.base import Network, NetworkFactory
from lightgen.prior import Prior
from lightgen.processes.base import ProcessFactory
from lightgen.processes.diffusion import Diffusion
from lightgen.processes.likelihood import Bound, estimate
from lightgen.processes.masked import Masked
from lightgen.recipe import Recipe
from lightgen.tokenizers.base import Tokenizer
from lightgen.types import Batch, LossOutput, flatten_ids

OBSERVED_BATCHES = 200
"""Batches of training data that an informed process looks at."""


class PriorModule(TrainingModule):
    """Trains a network on the ids of a frozen tokenizer, by any process.

    Args:
        tokenizer: a tokenizer, or the path of a checkpoint that `lightgen fit` wrote while training one.
        network: the network's class and options; its sizes follow from the tokenizer and the process.
        process: the process's class and options.
        recipe: sampler, warps and guidance of previews, and the checkpoint's default; they can be swapped at any time.
        num_classes: of the data's labels; 0 trains without classes.
        label_dropout: probability that a picture's class is hidden in training, which guidance needs.
        optimizer: called with the network's parameters.
        scheduler: called with the optimizer; advances every batch.
        seed: of the corruption; the same seed repeats a training run to the bit.
        critic: class and options of a second network, trained beside the first to tell which tokens are wrong.

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
        num_classes: int = 0,
        label_dropout: float = 0.1,
        optimizer: OptimizerFactory = torch.optim.AdamW,
        scheduler: SchedulerFactory | None = None,
        seed: int = 0,
        critic: NetworkFactory | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        if not 0 <= label_dropout <= 1:
            raise ValueError(f"label_dropout must be in [0, 1], not {label_dropout}")
        coder: Tokenizer = load_tokenizer(tokenizer) if isinstance(tokenizer, str) else tokenizer
        made_process = process(coder.vocab_size)
        sizes = (coder.grid, num_classes, coder.num_codes)
        made_network = network(made_process.num_ids, coder.vocab_size, *sizes, made_process.reads_time)
        made_critic = None if critic is None else critic(coder.vocab_size, 1, *sizes, False)
        self.prior = Prior(coder, made_network, made_process, recipe, label_dropout, made_critic)
        self.seed = seed

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self._check_classes()
        process = self.prior.process
        if isinstance(process, Diffusion) and process.informed and self.trainer.global_step == 0:
            process.observe(self._code_counts())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        ids_BN = self.ids(batch)
        first = self.global_rank * len(ids_BN)
        noise = Noise.of(self.seed, len(ids_BN), first, self.device).fold(self._batches_done())
        label_B = self._hide(batch.get("condition", {}).get("label"), noise)
        output = self.prior.process.loss(Conditioned(self.prior.network, label_B), ids_BN, noise)
        self.log("train/loss", output.loss.detach(), prog_bar=True)
        critic = self._critic_loss(ids_BN, label_B, noise)
        self.log_dict({f"train/{name}": value for name, value in {**output.metrics, **critic.metrics}.items()})
        return output.loss + critic.loss

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """uint8 pictures, one for each row of the batch, numbered by its `index` (see also `lightgen sample`)."""
        return self.prior.decode(self.prior.sample_ids(Noise(self.seed, batch["index"])).ids)

    @torch.no_grad()
    def ids(self, batch: Batch) -> Tensor:
        """Ids (B, N) of a batch, which holds them already or holds images."""
        return flatten_ids(batch["ids"].long()) if "ids" in batch else self.prior.encode(batch["image"])

    def evaluate(self, split: str, batch: Batch) -> None:
        ids_BN = self.ids(batch)
        label = batch.get("condition", {}).get("label") if self.prior.network.num_classes else None
        noise, conditioned = Noise(self.seed, batch["index"]), Conditioned(self.prior.network, label)
        output = self.prior.process.loss(conditioned, ids_BN, noise)
        scores = {"loss": output.loss, **output.metrics, **self._critic_loss(ids_BN, label, noise).metrics}
        if isinstance(self.prior.process, Bound):
            bits = estimate(self.prior.process, conditioned, ids_BN, noise.fold(0)).mean() / math.log(2)
            scores["bits_per_token"] = bits / ids_BN.shape[1]
            scores["bits_per_dim"] = bits / self.prior.num_values
        for name, value in scores.items():
            self.add_to_mean(f"{split}/{name}", value, len(ids_BN))

    def _critic_loss(self, ids_BN: Tensor, label_B: Tensor | None, noise: Noise) -> LossOutput:
        """The critic's loss and scores; zero and none for a prior without."""
        prior = self.prior
        if prior.critic is None or not isinstance(prior.process, Masked):
            return LossOutput(ids_BN.new_zeros((), dtype=torch.float32), {})
        networks = Conditioned(prior.critic, label_B), Conditioned(prior.network, label_B)
        return critic_loss(*networks, prior.process, ids_BN, noise.fold(1))

    def _check_classes(self) -> None:
        """Refuse data of other classes than the network has: some would be out of range, others never trained."""
        data = getattr(self.trainer, "datamodule", None)
        wanted, names = self.prior.network.num_classes, getattr(data, "class_names", None)
        if wanted and names is not None and len(names) != wanted:
            have = f"have {len(names)} classes" if names else "have no labels"
            raise ValueError(f"the data {have}, but model.num_classes is {wanted}")

    def _code_counts(self) -> Tensor:
        """(V,) how often each code stands in the first batches of the training data, over all ranks."""
        loader = self.trainer.datamodule.train_dataloader()  # type: ignore[attr-defined]
        counts = torch.zeros(self.prior.network.vocab_size, device=self.device)
        for batch in itertools.islice(loader, OBSERVED_BATCHES):
            ids = self.ids(self.transfer_batch_to_device(batch, self.device, 0))
            counts += torch.bincount(ids.flatten(), minlength=len(counts))
        return torch.as_tensor(self.trainer.strategy.reduce(counts, reduce_op="sum"))

    def _hide(self, label_B: Tensor | None, noise: Noise) -> Tensor | None:
        num_classes = self.prior.network.num_classes
        if num_classes == 0 or label_B is None:
            return None
        hidden = noise.uniform(0, Stream.CONDITION, 1).squeeze(1) < self.prior.label_dropout
        return label_B.masked_fill(hidden, num_classes)


class Conditioned(nn.Module):
    """The network with a batch's labels bound: what a process trains."""

    def __init__(self, network: Network, label_B: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.label_B = label_B

    def forward(self, ids_BN: Tensor, time: Tensor | None = None) -> Tensor:
        logits: Tensor = self.network(ids_BN, time, self.label_B)
        return logits
