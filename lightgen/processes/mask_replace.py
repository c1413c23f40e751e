"""Mask-and-replace diffusion: some tokens turn into MASK, some into random codes.

Gu et al., 2022, "Vector quantized diffusion model for text-to-image synthesis", arXiv 2111.14822.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.processes.variational import Variational
from lightgen.types import NoiseFamily, NoiseLevel


class MaskReplace(Variational):
    """At time t a share t of the tokens is destroyed, most of it by MASK.

    q(z_t = k | z_0) = (1 - t) [k = z_0] + (1 - m) t / V, q(z_t = MASK | z_0) = m t, where m is `mask_share`.

    Args:
        vocab_size, num_steps, auxiliary, importance, informed: see `Variational`.
        mask_share: of what is destroyed, in (0, 1); the rest becomes random codes.
        adaptive: multiply the weight of the plain cross-entropy at step t of T by 1 + (1 - (t - 1) / T), as the
            released code does (`adaptive_auxiliary_loss`). Its weights, 5e-4 and 1e-3, are of the sum over the steps:
            `auxiliary` 0.05 and 0.1 at T = 100.

    Raises:
        ValueError: if an argument is out of range.
    """

    family: ClassVar[NoiseFamily] = NoiseFamily.MASK_REPLACE
    source: ClassVar[str] = "Gu et al., 2022, arXiv 2111.14822"

    def __init__(
        self,
        vocab_size: int,
        num_steps: int = 100,
        auxiliary: float = 0.01,
        importance: bool = True,
        informed: bool = False,
        mask_share: float = 0.9,
        adaptive: bool = False,
    ) -> None:
        super().__init__(vocab_size, num_steps, auxiliary, importance, informed)
        if not 0 < mask_share < 1:
            raise ValueError(f"mask_share must be in (0, 1), not {mask_share}")
        self.mask_share = mask_share
        self.adaptive = adaptive

    @property
    def num_ids(self) -> int:
        return self.vocab_size + 1

    def emphasis(self, number_B: Tensor) -> Tensor:
        return 2 - (number_B.float() - 1) / self.num_steps if self.adaptive else super().emphasis(number_B)

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        return NoiseLevel(1 - time_B, self.mask_share * time_B, (1 - self.mask_share) * time_B)
