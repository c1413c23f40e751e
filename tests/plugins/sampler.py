import torch

from lightgen.samplers import Sampler
from lightgen.types import NoiseFamily


class ConstantSampler(Sampler):
    """Everything becomes one id."""

    accepts = frozenset({NoiseFamily.UNIFORM})
    source = "Outside, 2026"

    def __init__(self, steps: int = 3, value: int = 0) -> None:
        super().__init__(steps)
        self.value = value

    def step(self, state, denoise, clock):
        denoise(state.ids, clock)
        return torch.full_like(state.ids, self.value), None
