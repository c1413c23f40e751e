"""Networks that tests can reason about: of priors, and of features of pictures."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lightgen.condition import Condition, Context
from lightgen.conditioners import ClassLabel
from lightgen.denoiser import Denoiser
from lightgen.layout import Layout
from lightgen.metrics.features import FeatureNetwork
from lightgen.networks.base import Interface, Network


def interface(num_ids, vocab_size, grid, num_classes=0, num_codes=1, reads_time=False) -> Interface:
    """What a network reads and answers; a vocabulary of 1 is that of a critic."""
    conditioner = ClassLabel(num_classes) if num_classes else None
    layout = Layout(grid, num_ids if vocab_size == 1 else vocab_size, num_codes)
    return Interface(layout, num_ids, vocab_size, reads_time, conditioner)


def far_from_neutral(network, layout, conditioner, seed=0, **sizes) -> Network:
    """A network of that class in eval mode, whose parameters are not those that answer nothing at first."""
    torch.manual_seed(seed)
    made = network(Interface(layout, layout.vocab_size + 1, conditioner=conditioner), **sizes).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made


def denoiser(network, vocab_size, grid, label=None, **more) -> Denoiser:
    """A denoiser of a network, or of a function of ids, time and, where there is a label, that."""
    if label is None or hasattr(network, "context"):
        told = Condition() if label is None else Condition({"label": label})
        return Denoiser(network, Layout(grid, vocab_size), told, **more)
    return Denoiser(OfLabel(network), Layout(grid, vocab_size), Condition({"label": label}), **more)


class OfLabel:
    """A function of ids, time and label in the place of a network; classes from `null` on are none."""

    def __init__(self, function, null: int = -1) -> None:
        self.function, self.null = function, null

    def context(self, condition: Condition, num_rows: int) -> Context:
        label = condition.tensors.get("label", torch.full((num_rows,), self.null))
        if "label" in condition.hidden:
            label = label.masked_fill(condition.hidden["label"], self.null)
        return Context(label[:, None, None])

    def __call__(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        return self.function(ids_BN, time, context.vector[:, 0, 0])


def echo(vocab_size: int, confidence: float = 60.0):
    """A network that is sure of the ids it is given."""

    def network(ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        return nn.functional.one_hot(ids_BN, vocab_size).float() * confidence

    return network


def oracle(answer_BN: Tensor, vocab_size: int, confidence: float = 60.0):
    """A network that knows the answer, whatever it is given (rows must not leave the batch)."""

    def network(ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        return nn.functional.one_hot(answer_BN, vocab_size).float() * confidence

    return network


class TableNetwork(nn.Module):
    """Logits from a small table of parameters, so that its loss can be written down by hand."""

    def __init__(self, num_ids: int, vocab_size: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(num_ids, vocab_size, generator=generator))
        self.calls: list[Tensor] = []

    def forward(self, ids_BN: Tensor, time: Tensor | None = None, context: Context | None = None) -> Tensor:
        self.calls.append(ids_BN.clone())
        return self.table[ids_BN]


class Pixels(FeatureNetwork):
    """The pixels themselves, of so many a side."""

    name, resize = "pixels", "none"

    def __init__(self, size: int = 8) -> None:
        self.network, self.dim = nn.Identity(), 3 * size**2

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1) / 255 - 0.5
