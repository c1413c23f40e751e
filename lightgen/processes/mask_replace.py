"""Mask-and-replace diffusion: some tokens turn into MASK, some into random codes.

Gu et al., 2022, "Vector quantized diffusion model for text-to-image synthesis", arXiv 2111.14822.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor

from lightgen.processes.variational import Variational
from lightgen.types import NoiseFamily, NoiseLevel


class MaskReplace(Variational):
    """At time t a share d(t) of the tokens is destroyed, most of it by MASK.

    q(z_t = k | z_0) = (1 - d) [k = z_0] + (1 - m) d / V, q(z_t = MASK | z_0) = m d, where m is `mask_share`.

    Args:
        vocab_size, num_steps, auxiliary, importance, informed: see `Variational`.
        mask_share: of what is destroyed, in (0, 1); the rest becomes random codes.
        adaptive: multiply the weight of the plain cross-entropy at step t of T by 1 + (1 - (t - 1) / T), as the
            released code does (`adaptive_auxiliary_loss`). Its weights, 5e-4 and 1e-3, are of the sum over the steps:
            `auxiliary` 0.05 and 0.1 at T = 100.
        schedule: d: `linear`, t; `alpha1`, (T t - 1) / (T - 1), which destroys nothing in the first of T steps, as the
            released code does (`alpha_init_type`).

    Raises:
        ValueError: if an argument is out of range, or there is no such schedule.
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
        schedule: Literal["linear", "alpha1"] = "linear",
    ) -> None:
        super().__init__(vocab_size, num_steps, auxiliary, importance, informed)
        if not 0 < mask_share < 1:
            raise ValueError(f"mask_share must be in (0, 1), not {mask_share}")
        if schedule not in ("linear", "alpha1"):
            raise ValueError(f"schedule must be linear or alpha1, not {schedule}")
        self.mask_share = mask_share
        self.spared = 1 / num_steps if schedule == "alpha1" and num_steps > 1 else 0.0
        self.adaptive = adaptive

    @property
    def num_ids(self) -> int:
        return self.vocab_size + 1

    def emphasis(self, number_B: Tensor) -> Tensor:
        return 2 - (number_B.float() - 1) / self.num_steps if self.adaptive else super().emphasis(number_B)

    def noise_level(self, time_B: Tensor) -> NoiseLevel:
        destroyed = ((time_B - self.spared) / (1 - self.spared)).clamp_min(0) if self.spared else time_B
        return NoiseLevel(1 - destroyed, self.mask_share * destroyed, (1 - self.mask_share) * destroyed)
