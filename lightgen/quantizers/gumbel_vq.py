"""Vector quantization that draws its codes while it trains."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor
from torch.nn.functional import one_hot
from vector_quantize_pytorch import VectorQuantize

from lightgen.functional.random import Noise, Stream
from lightgen.quantizers.base import Quantized
from lightgen.quantizers.book import BookQuantizer, check_vocab_size, rank


class GumbelVQ(BookQuantizer):
    """Draws a code with probability softmax(-|z - code|) while training; the nearest code afterwards.

    The encoder learns through the straight-through Gumbel-softmax: forward the drawn code, backward the mean of the
    codes weighted by softmax((-|z - code| + g) / temperature) with the same Gumbel noise g. By moving its latents apart
    it makes the draws as certain as it needs them. Codes are moving averages of the latents that drew them.

    Args:
        vocab_size: V, the number of codes.
        dim: of the latent and of a code.
        temperature: of the softmax in the gradient; the draw does not depend on it.
        decay: of the moving averages, per training step.
        commitment_weight: of the term that pulls the encoder towards the codes.
        dead_below: a code with a smaller average count per step is replaced by a random latent; 0 never replaces.

    Raises:
        ValueError: if `vocab_size` is below 2, or `temperature` is not positive.
    """

    source: ClassVar[str] = "Jang et al., 2016, arXiv 1611.01144; Sonderby et al., 2017"

    def __init__(
        self,
        vocab_size: int = 1024,
        dim: int = 256,
        temperature: float = 1.0,
        decay: float = 0.99,
        commitment_weight: float = 0.25,
        dead_below: float = 0.1,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        implementation = VectorQuantize(
            dim,
            check_vocab_size(vocab_size),
            decay=decay,
            commitment_weight=commitment_weight,
            threshold_ema_dead_code=dead_below,
            sample_codebook_temp=temperature,
            rotation_trick=False,
            accept_image_fmap=True,
            sync_codebook=False,
            # Else an identity would replace the gradient of the softmax.
            route_gradients_to_input=False,
        )
        super().__init__(vocab_size, dim, implementation)
        self.books[0].gumbel_sample = self.choose

    def assign(self, latent: Tensor) -> Quantized:
        quantized, ids, loss = self.implementation(latent)
        return Quantized(quantized, ids.long(), loss.sum())

    def embed(self, ids: Tensor) -> Tensor:
        codes: Tensor = self.implementation.codebook[ids]
        return codes.movedim(-1, 1)

    def choose(self, logits: Tensor, temperature: float, training: bool, **_: Any) -> tuple[Tensor, Tensor]:
        """Codes for logits (1, n, V), as ids (1, n) and as one-hot (1, n, V) with the gradient of the softmax.

        The library's own choice leaves the noise out of the softmax, and lets the temperature change the draw.
        """
        if not training:
            ids = logits.argmax(-1)
            return ids, one_hot(ids, self.vocab_size).to(logits)
        num = logits.shape[1]
        noise = Noise.of(0, num, rank() * num, logits.device)
        gumbel = -(-noise.uniform(int(self.steps), Stream.TOKEN, self.vocab_size).log()).log()
        noisy = logits + gumbel
        ids, soft = noisy.argmax(-1), (noisy / temperature).softmax(-1)
        return ids, one_hot(ids, self.vocab_size).to(soft) + soft - soft.detach()
