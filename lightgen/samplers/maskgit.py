"""MaskGIT: confidence decoding.

Chang et al., 2022, "MaskGIT: Masked generative image transformer", arXiv 2202.04200, section 3.2.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightgen.clock import Clock
from lightgen.denoiser import Denoiser
from lightgen.functional.categorical import draw, gumbel
from lightgen.functional.random import Stream
from lightgen.functional.warping import temperature
from lightgen.prediction import Confidence, Prediction, check_confidence
from lightgen.samplers.state import State
from lightgen.samplers.unmasking import Unmasking
from lightgen.schedules import Cosine, Schedule


class MaskGIT(Unmasking):
    """Write the tokens that the network is most sure of: those of the largest log p(x) + tau (1 - t / S) Gumbel noise.

    Args:
        steps: S.
        choice_temperature: tau, at least 0; step t of S has (1 - t / S) of it, so that the last has none.
        schedule: share still masked; None is the cosine.
        confidence: whose p(x) it is, the network's own or the warped one.
        annealed: draw x by the same falling temperature too, from softmax(l / (tau (1 - t / S))) of warped logits l;
            and l(x) stands for log p(x) (code of MUSE-Pytorch; and of TiTok, Yu et al., 2024, arXiv 2406.07550).

    Raises:
        ValueError: if the temperature is below 0.
    """

    exact: ClassVar[str] = "no"
    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200"

    def __init__(
        self,
        steps: int = 12,
        choice_temperature: float = 4.5,
        schedule: Schedule | None = None,
        confidence: Confidence = "warped",
        annealed: bool = False,
    ) -> None:
        super().__init__(steps, schedule or Cosine())
        if choice_temperature < 0:
            raise ValueError(f"choice_temperature must be at least 0, not {choice_temperature}")
        self.choice_temperature = choice_temperature
        self.confidence = check_confidence(confidence)
        self.annealed = annealed

    def propose(self, prediction: Prediction, uniform: Tensor, clock: Clock) -> tuple[Tensor, Tensor]:
        if not self.annealed:
            return super().propose(prediction, uniform, clock)
        ids = draw(temperature(prediction.logits, self._temperature(clock)), uniform)
        return ids, prediction.by(self.confidence).gather(-1, ids.unsqueeze(-1)).squeeze(-1)

    def score(self, state: State, denoise: Denoiser, clock: Clock, confidence: Tensor) -> Tensor:
        noise = gumbel(state.noise.uniform(clock.step, Stream.CHOICE, confidence.shape[1]))
        return confidence + self._temperature(clock) * noise

    def _temperature(self, clock: Clock) -> Tensor:
        return self.choice_temperature * (1 - clock.done(self.steps))
