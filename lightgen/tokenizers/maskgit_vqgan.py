"""The tokenizer of MaskGIT: a VQ-GAN without attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import silu

from lightgen.quantizers.base import Quantizer
from lightgen.tokenizers.layers import Downsample, Upsample, conv3, norm
from lightgen.tokenizers.quantized import QuantizedAutoencoder


class MaskGITVQGAN(QuantizedAutoencoder):
    """A VQ-GAN of convolutions alone. One token: 2^(levels - 1) pixels a side.

    Args:
        quantizer: its `dim` is that of the latent.
        image_size: (H, W), or one number for squares.
        channels: C.
        width: channels at full resolution.
        multipliers: of the width at each level; the size halves between levels.
        num_res_blocks: at each level and next to the latent.
        pixel_range: the values that encoder and decoder have for black and for white.
        downsample: how the encoder halves the size: by `average`, or by a `convolution` (VQGAN+, Weber et al., 2024,
            arXiv 2409.16211).

    Raises:
        ValueError: if the image size is not divisible by the size of a token, the pixel range is empty, or `downsample`
            is another word.
    """

    source: ClassVar[str] = "Chang et al., 2022, arXiv 2202.04200; Weber et al., 2024, arXiv 2409.16211"

    def __init__(
        self,
        quantizer: Quantizer,
        image_size: int | tuple[int, int] = 256,
        channels: int = 3,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 4),
        num_res_blocks: int = 2,
        pixel_range: tuple[float, float] = (0.0, 1.0),
        downsample: Literal["average", "convolution"] = "average",
    ) -> None:
        if downsample not in ("average", "convolution"):
            raise ValueError(f"downsample must be average or convolution, not {downsample}")
        shape = (channels, [width * multiplier for multiplier in multipliers], num_res_blocks, quantizer.dim)
        factor = 2 ** (len(multipliers) - 1)
        super().__init__(
            quantizer,
            _encoder(downsample == "convolution", width, *shape),
            decoder_of(*shape),
            image_size,
            channels,
            factor,
            pixel_range,
        )

    @property
    def last_layer(self) -> nn.Conv2d:
        layer = self.decoder[-1]
        assert isinstance(layer, nn.Conv2d)
        return layer


class PlainBlock(nn.Module):
    """(B, C_in, H, W) to (B, C_out, H, W): norm, SiLU, conv without bias, twice, added to the input.

    Where the number of channels changes, the output is added to a 1x1 convolution of itself and not of the input:
    so do the released weights, which therefore need it.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = norm(channels_in), _conv3(channels_in, channels_out)
        self.norm2, self.conv2 = norm(channels_out), _conv3(channels_out, channels_out)
        same = channels_in == channels_out
        self.skip = None if same else nn.Conv2d(channels_out, channels_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.conv1(silu(self.norm1(x)))
        h = self.conv2(silu(self.norm2(h), inplace=True))
        return h + (x if self.skip is None else self.skip(h))


def _encoder(
    convolves: bool, width: int, channels: int, widths: Sequence[int], num_res_blocks: int, dim: int
) -> nn.Sequential:
    parts: list[nn.Module] = [_conv3(channels, width)]
    current = width
    for level, wide in enumerate(widths):
        if level > 0:
            parts.append(Downsample(current) if convolves else nn.AvgPool2d(2))
        parts += _blocks(current, wide, num_res_blocks)
        current = wide
    parts += _blocks(current, current, num_res_blocks)
    return nn.Sequential(*parts, norm(current), nn.SiLU(inplace=True), nn.Conv2d(current, dim, 1))


def decoder_of(channels: int, widths: Sequence[int], num_res_blocks: int, dim: int) -> nn.Sequential:
    """(B, dim, h, w) to (B, C, H, W), with so many channels at each level."""
    current = widths[-1]
    parts: list[nn.Module] = [conv3(dim, current), *_blocks(current, current, num_res_blocks)]
    for level in reversed(range(len(widths))):
        parts += _blocks(current, widths[level], num_res_blocks)
        current = widths[level]
        if level > 0:
            parts.append(Upsample(current))
    return nn.Sequential(*parts, norm(current), nn.SiLU(inplace=True), conv3(current, channels))


def _blocks(channels_in: int, channels_out: int, num: int) -> list[nn.Module]:
    return [PlainBlock(channels_out if i else channels_in, channels_out) for i in range(num)]


def _conv3(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
