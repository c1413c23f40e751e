"""Training of a tokenizer, stage one."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from lightgen.checkpoint import load_tokenizer
from lightgen.functional.known_gradient import with_gradient
from lightgen.functional.random import Noise
from lightgen.losses.adversarial import Adversarial
from lightgen.losses.reconstruction import ReconstructionLoss
from lightgen.metrics.health import Health, HealthFactory
from lightgen.modules.base import TrainingModule, require_finite_rate
from lightgen.modules.discriminator_optimizer import DiscriminatorOptimizer
from lightgen.modules.optim import OptimizerFactory, SchedulerFactory
from lightgen.quantizers.base import Quantizer
from lightgen.tokenizers.quantized import QuantizedAutoencoder
from lightgen.types import Batch, to_unit

log = logging.getLogger(__name__)

DISCRIMINATOR = "discriminator"
"""Where a checkpoint keeps the discriminator's optimizer."""


class TokenizerModule(TrainingModule):
    """Trains a VQ-GAN to reconstruct pictures through its codebook, with or without a discriminator.

    Args:
        tokenizer: encoder, quantizer and decoder, or the path of a checkpoint to go on from with another recipe.
        loss: what a reconstruction is compared by.
        codebook_weight: of the quantizer's own loss.
        adversarial: discriminator and its part in the loss; None trains without.
        trained: "all", or "decoder", which keeps the encoder and the codebook, and so the ids of every picture.
        quantizer: in place of the tokenizer's, e.g. with fewer codes; see also the callback `Refit`.
        health: the scores of held-out pictures, called with the layout of the ids.
        optimizer: called with the tokenizer's parameters.
        scheduler: called with an optimizer; advances every batch, for the discriminator's optimizer too.
        discriminator_optimizer: called with the discriminator's parameters; None takes `optimizer` again.
        max_skipped: so many updates in a row with a loss or gradient that is not finite end the run.
        compile: whether to compile encoder, decoder and discriminator; None does on a CUDA device.
        seed: of the augmentation of what the discriminator sees.

    Raises:
        ValueError: if the checkpoint cannot be read, or parts do not fit each other.
    """

    product: ClassVar[str] = "tokenizer"
    source: ClassVar[str] = "Esser et al., 2021, arXiv 2012.09841"

    def __init__(
        self,
        tokenizer: QuantizedAutoencoder | str,
        loss: ReconstructionLoss | None = None,
        codebook_weight: float = 1.0,
        adversarial: Adversarial | None = None,
        trained: Literal["all", "decoder"] = "all",
        quantizer: Quantizer | None = None,
        health: HealthFactory = Health,
        optimizer: OptimizerFactory = torch.optim.Adam,
        scheduler: SchedulerFactory | None = None,
        discriminator_optimizer: OptimizerFactory | None = None,
        max_skipped: int = 20,
        compile: bool | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(optimizer, scheduler, max_skipped, compile)
        coder = load_vqgan(tokenizer) if isinstance(tokenizer, str) else tokenizer
        self.tokenizer = coder if quantizer is None else coder.with_quantizer(quantizer)
        self.reconstruction_loss = loss or ReconstructionLoss()
        self.codebook_weight = codebook_weight
        self.adversarial = adversarial
        self.discriminator_optimizer = discriminator_optimizer
        self.health = health(self.tokenizer.layout)
        self.seed = seed
        self.optimizer_d: DiscriminatorOptimizer | None = None
        self._optimizer_d_state: dict[str, Any] | None = None
        self.frozen = ("encoder", "quantizer") if trained == "decoder" else ()
        for part in self._frozen_parts():
            part.requires_grad_(False)
        self.train()
        if adversarial is not None:
            self._check_size(adversarial)
            # DDP waits for each parameter in every backward pass; `DiscriminatorOptimizer` looks after these.
            names = [*dict(self.named_parameters()), *dict(self.named_buffers())]
            ignored = [name for name in names if name.startswith("adversarial.")]
            DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(self, ignored)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "discriminator_optimizer": None, "optimizer_d": None}

    def train(self, mode: bool = True) -> TokenizerModule:
        """As of any module, but what is frozen stays in eval mode: a codebook learns in train mode, gradient or not."""
        super().train(mode)
        for part in self._frozen_parts():
            part.eval()
        return self

    def trained_parameters(self) -> Iterable[Tensor]:
        return (p for p in self.tokenizer.parameters() if p.requires_grad)

    def configure_optimizers(self) -> Any:
        if self.adversarial is not None:
            for tensor in (*self.adversarial.parameters(), *self.adversarial.buffers()):
                tensor.data.copy_(self.trainer.strategy.broadcast(tensor.data))
            make = self.discriminator_optimizer or self.optimizer
            optimizer = make(p for p in self.adversarial.parameters() if p.requires_grad)
            require_finite_rate(optimizer)
            self.optimizer_d = DiscriminatorOptimizer(
                optimizer, self.scheduled(optimizer), self.adversarial.buffers(), self.trainer.strategy
            )
            if self._optimizer_d_state is not None:
                self.optimizer_d.load_state_dict(self._optimizer_d_state)
        return super().configure_optimizers()

    def compiled_parts(self) -> Iterable[nn.Module]:
        yield from (self.tokenizer.encoder, self.tokenizer.decoder)
        # Compiled networks have no second derivatives, which regularisers ask for.
        if self.adversarial is not None and not self.adversarial.regularisers:
            yield self.adversarial.discriminator

    def guarded_parameters(self) -> Iterable[Tensor]:
        return (p for part in self._parts() for p in part.parameters())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        buffers = (buffer for part in self._parts() for buffer in part.buffers())
        # The forward pass also replaces dead codes, which are parameters where codes are trained by gradient.
        self.guard.remember(itertools.chain(buffers, self.tokenizer.quantizer.parameters()))
        images = to_unit(batch["image"])
        reconstruction, quantized = self.tokenizer(images)
        output = self.reconstruction_loss(reconstruction, images)
        loss = output.loss
        if self.optimizer_d is not None:
            loss = self._adversarial_loss(images, reconstruction, output.loss, self.optimizer_d)
        if not self.frozen:
            loss = loss + self.codebook_weight * quantized.loss
            self.log("train/codebook", quantized.loss.detach())
        self.guard.see(loss)
        self.log("train/loss", loss.detach(), prog_bar=True)
        self.log_dict({f"train/{name}": value for name, value in output.metrics.items()})
        return loss

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """The discriminator's update, just before the tokenizer's; neither is made if one would not be finite."""
        if self.optimizer_d is not None:
            self.optimizer_d.gather()
        super().on_before_optimizer_step(optimizer)
        if self.optimizer_d is not None:
            self.clip_gradients(self.optimizer_d.optimizer)
            self.optimizer_d.step()

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Ids (B, h, w), or (B, M, h, w), of a batch of pictures."""
        return self.tokenizer.encode(to_unit(batch["image"]))

    def evaluate(self, split: str, batch: Batch) -> None:
        reconstruction = self.health.update(self.tokenizer, batch["image"], batch["index"])
        output = self.reconstruction_loss(reconstruction, to_unit(batch["image"]))
        self.add_to_mean(f"{split}/loss", output.loss, len(reconstruction))

    def finish(self, split: str) -> None:
        super().finish(split)
        scores = self.health.compute()
        self.log_dict({f"{split}/{name}": value for name, value in scores.items()}, prog_bar=True)
        advice = self.health.advice(scores["codebook_usage"])
        if advice is not None and self.trainer.is_global_zero:
            log.warning(advice)
        self.health.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.optimizer_d is not None:
            checkpoint[DISCRIMINATOR] = self.optimizer_d.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._optimizer_d_state = checkpoint.get(DISCRIMINATOR)

    def _adversarial_loss(
        self, images: Tensor, reconstruction: Tensor, reconstruction_loss: Tensor, optimizer_d: DiscriminatorOptimizer
    ) -> Tensor:
        """Add to the discriminator's gradients; the loss of the reconstruction, with the generator's in it."""
        assert self.adversarial is not None
        done = self._batches_done()
        if done < self.adversarial.start:
            return reconstruction_loss
        noise = Noise.of(self.seed, len(images), self.global_rank * len(images), self.device).fold(done)
        output = self.adversarial.discriminator_loss(images, reconstruction, noise)
        self.guard.see(output.loss)
        optimizer_d.backward(output.loss / self.trainer.accumulate_grad_batches)
        self.log_dict({f"train/{name}": value for name, value in output.metrics.items()})
        strength = self.adversarial.strength(done)
        if strength == 0:
            return reconstruction_loss
        generator_loss = self.adversarial.generator_loss(reconstruction, noise)
        losses = (reconstruction_loss, generator_loss)
        own, generated = (torch.autograd.grad(loss, reconstruction)[0] for loss in losses)
        layer = self.tokenizer.last_layer.weight
        weight = strength * self.adversarial.balance(reconstruction, (own, generated), layer, optimizer_d.average)
        self.log_dict({"train/generator": generator_loss.detach(), "train/adversarial_weight": weight})
        total = reconstruction_loss + weight * generator_loss
        return with_gradient(total, reconstruction, own + weight * generated)

    def _parts(self) -> list[nn.Module]:
        return [self.tokenizer] if self.adversarial is None else [self.tokenizer, self.adversarial]

    def _frozen_parts(self) -> list[nn.Module]:
        return [self.tokenizer.get_submodule(name) for name in self.frozen]

    def _check_size(self, adversarial: Adversarial) -> None:
        least, size = adversarial.discriminator.min_size, self.tokenizer.image_size
        if min(size) < least:
            raise ValueError(f"the discriminator needs pictures of at least {least} pixels a side, not {size}")


def load_vqgan(path: str) -> QuantizedAutoencoder:
    """The VQ-GAN in a checkpoint of stage one.

    Raises:
        ValueError: as `load_tokenizer`, or if it holds another tokenizer.
    """
    tokenizer = load_tokenizer(path)
    if not isinstance(tokenizer, QuantizedAutoencoder):
        raise ValueError(f"{path} holds a {type(tokenizer).__name__}, where a quantized autoencoder is needed")
    return tokenizer
