"""What a denoiser answers: the network's own logits, and the warped ones that tokens are drawn from."""

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from lightgen.functional.categorical import draw, draw_scored, log_probability

Confidence = Literal["network", "warped"]
"""Whose probability of a token says how sure it is: the network's own (under guidance), or that after the warps.

Where the warps leave one id of each token (temperature 0, top-k 1), all warped probabilities are 1 and tell nothing
apart; then it is the network's own in any case.
"""


class Prediction(NamedTuple):
    """Logits of the clean ids."""

    logits: Tensor
    """(A, ..., V) float32, warped."""
    own: Tensor
    """(A, ..., V) float32, the network's own: under guidance, but before the warps."""
    greedy: bool = False
    """Whether the warps leave one id of each token."""

    @property
    def vocab_size(self) -> int:
        """V, which is the id of MASK."""
        return self.logits.shape[-1]

    def by(self, confidence: Confidence) -> Tensor:
        """The logits that confidence is read from."""
        return self.logits if confidence == "warped" and not self.greedy else self.own

    def draw(self, uniform: Tensor) -> Tensor:
        """Ids (A, ...) from the warped logits, by one uniform each."""
        return draw(self.logits, uniform)

    def draw_scored(self, uniform: Tensor, confidence: Confidence) -> tuple[Tensor, Tensor]:
        """Ids (A, ...), and their log-probabilities."""
        judge = self.by(confidence)
        if judge is self.logits:
            return draw_scored(self.logits, uniform)
        ids = self.draw(uniform)
        return ids, log_probability(judge, ids)


def check_confidence(confidence: str) -> Confidence:
    """Refuse what is no `Confidence`.

    Raises:
        ValueError: if it is another word.
    """
    if confidence not in ("network", "warped"):
        raise ValueError(f"confidence must be network or warped, not {confidence}")
    return confidence  # type: ignore[return-value]
