"""A joint distribution small enough to enumerate: how far a sampler is from the truth when its network is perfect."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from lightgen.condition import Context
from lightgen.denoiser import Denoiser
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.processes.base import Process
from lightgen.processes.diffusion import Diffusion
from lightgen.samplers.base import Sampler

V, N = 3, 4
LAYOUT = Layout((2, 2), V)
TIMES = 50
"""Points at which times are averaged, for networks that are not told them."""


class Joint:
    """A random distribution of 4 tokens of 3 ids, and what perfect networks make of it.

    Args:
        seed: another seed, another distribution.
    """

    def __init__(self, seed: int = 0) -> None:
        self.states = torch.tensor(list(itertools.product(range(V), repeat=N)))
        generator = torch.Generator().manual_seed(seed)
        weight = torch.rand(len(self.states), generator=generator, dtype=torch.float64).pow(4)
        self.probability = weight / weight.sum()
        self.noisy = torch.tensor(list(itertools.product(range(V + 1), repeat=N)))

    def denoiser(self, process: Process, reads_time: bool | None = None) -> Denoiser:
        """The exact p(z_0 | z_t) of each token, behind the contract of a network, and an exact critic.

        Args:
            process: that destroys the tokens, and that samplers step back with; one without levels, as there is none
                when tokens are read from left to right, gets the exact p(token | tokens before it) instead.
            reads_time: whether the network is told t; else t is uniform to it. None is as the process has it.
        """
        if not process.diffuses:
            return Denoiser(self._from_the_left, LAYOUT)
        stepping: Any = process
        told = process.reads_time if reads_time is None else reads_time
        averaged = None if told else self._tokens(stepping, (torch.arange(TIMES, dtype=torch.float64) + 0.5) / TIMES)

        def network(ids_BN: Tensor, time_B: Tensor | None, context: Context | None) -> Tensor:
            # Samplers tell all pictures the same time.
            table = self._tokens(stepping, time_B[:1].double()) if averaged is None and time_B is not None else averaged
            assert table is not None
            return table[_code(ids_BN, V + 1)].log()

        return Denoiser(network, LAYOUT, process=stepping, reads_time=told, critic=self._critic)

    def distance(self, ids_BN: Tensor) -> float:
        """Total variation between the truth and how often each state is found."""
        found = torch.bincount(_code(ids_BN, V), minlength=len(self.states)) / len(ids_BN)
        return float((found - self.probability).abs().sum() / 2)

    def sampling_error(self, num: int) -> float:
        """The distance to be expected of `num` exact draws."""
        p = self.probability
        return float((p * (1 - p) * 2 / torch.pi / num).sqrt().sum() / 2)

    def measure(self, sampler: Sampler, process: Process, num: int, reads_time: bool | None = None) -> float:
        """The distance of `num` draws of a sampler."""
        return self.distance(self.draws(sampler, process, num, reads_time))

    def draws(self, sampler: Sampler, process: Process, num: int, reads_time: bool | None = None) -> Tensor:
        """(num, N) ids that a sampler draws with this perfect network."""
        noise = Noise.of(0, num)
        return sampler(self.denoiser(process, reads_time), process.initial(N, noise), None, noise).ids

    def _tokens(self, process: Diffusion, times: Tensor) -> Tensor:
        """(256, N, V) p(z_0 | z_t) of each token of each noisy state, at an evenly weighted mixture of times."""
        level = process.noise_level(times)
        kept, masked, replaced = (x[:, None, None, None] for x in (level.kept, level.masked, level.replaced))
        noisy = self.noisy[:, None]
        token = torch.where(noisy == V, masked, (noisy == self.states) * kept + replaced / V)
        weight = token.prod(-1).mean(0) * self.probability
        tokens = torch.einsum("zs,snv->znv", weight, one_hot(self.states, V).double())
        # States that never occur stay at 0 / 0.
        return tokens / weight.sum(1)[:, None, None]

    def _from_the_left(self, ids_BN: Tensor, time_B: Tensor | None, context: Context | None) -> Tensor:
        logits = []
        for position in range(N):
            same = (ids_BN[:, None, :position] == self.states[:, :position]).all(-1)
            logits.append((same * self.probability) @ one_hot(self.states[:, position], V).double())
        return torch.stack(logits, 1).log()

    def _critic(self, ids_BN: Tensor, time_B: Tensor | None, context: Context | None) -> Tensor:
        """(B, N, 1) log-odds of being wrong, where each token was masked with a probability uniform in [0, 1]."""
        wrong, total = torch.zeros(len(self.states), N).double(), torch.zeros(len(self.states)).double()
        for pattern in itertools.product((False, True), repeat=N):
            masked = torch.tensor(pattern)
            count = int(masked.sum())
            same = ((self.states[:, None] == self.states) | masked).all(-1).double()
            seen = same @ self.probability
            token = torch.einsum("xs,snv->xnv", same * self.probability, one_hot(self.states, V).double())
            right = (token / seen[:, None, None]).gather(-1, self.states.unsqueeze(-1)).squeeze(-1)
            weight = math.factorial(count) * math.factorial(N - count) / math.factorial(N + 1)
            chance = weight * seen * torch.where(masked, right, 1.0).prod(-1)
            total += chance
            wrong += chance[:, None] * (1 - right) * masked
        return (wrong / total[:, None]).logit()[_code(ids_BN, V)].unsqueeze(-1)


def _code(ids_BN: Tensor, base: int) -> Tensor:
    return (ids_BN * base ** torch.arange(N - 1, -1, -1)).sum(1)
