"""What each quantizer makes of held-out emoji: one small patch-stem VQ-GAN, equal training, equal data.

Needs `pip install "lightgen[demo]"`; a few minutes a row on one core. Finished rows are kept in a folder, so that the
command can be stopped and run again:

    python benchmarks/studies/quantizers.py > benchmarks/results/quantizers.md
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from itertools import count
from math import log2, log10
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from vector_quantize_pytorch.vector_quantize_pytorch import kmeans

from lightgen.data.emoji import Emoji
from lightgen.data.order import TrainOrder
from lightgen.functional.distances import frechet_distance
from lightgen.functional.files import save_json
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.losses.reconstruction import ReconstructionLoss
from lightgen.metrics.codebook import CodebookUsage
from lightgen.metrics.features import EfficientNetLite0
from lightgen.modules.optim import WarmupCosine
from lightgen.provenance import provenance
from lightgen.quantizers import FSQ, LFQ, VQ, GradientVQ, GumbelVQ, ProductVQ, Quantizer, ResidualVQ
from lightgen.tokenizers.vqgan import VQGAN
from lightgen.types import to_uint8, to_unit

DIM = 32
ENTRIES: dict[str, Callable[[], Quantizer]] = {
    "VQ, 512 codes": lambda: VQ(512, DIM),
    "VQ, 512 codes of 8 numbers, cosine": lambda: VQ(512, DIM, code_dim=8, cosine=True),
    "GradientVQ, 512 codes": lambda: GradientVQ(512, DIM),
    "FSQ, 8 x 8 x 8 levels": lambda: FSQ((8, 8, 8)),
    "LFQ, 9 bits": lambda: LFQ(9),
    "GumbelVQ, 512 codes": lambda: GumbelVQ(512, DIM),
    "ResidualVQ, 2 x 512 codes": lambda: ResidualVQ(512, 2, DIM),
    "ProductVQ, 2 x 512 codes": lambda: ProductVQ(512, 2, DIM),
}
BASELINE = "k-means on 4x4 patches, 512 means"
SIZE, PATCH = 64, 4
PATCHES, ROUNDS = 1 << 16, 15
COLUMNS = {"bits": "d", "psnr": ".2f", "ssim": ".3f", "fd": ".1f", "usage": ".1%", "perplexity": ".0f", "dead": ".0f"}


class Patches:
    """The baseline: each 4x4 patch becomes the nearest of 512 patches that k-means found among the training pictures.

    Args:
        images: uint8 (n, 3, H, W).
        vocab_size: V.
        seed: of the choice of patches and of the first means.
    """

    def __init__(self, images: Tensor, vocab_size: int, seed: int) -> None:
        self.layout, self.seed = Layout((SIZE // PATCH, SIZE // PATCH), vocab_size), seed
        patches = cut(images)
        chosen = uniform(seed, len(patches)).argsort()[:PATCHES]
        samples = to_unit(patches[chosen])
        (self.means,), _ = kmeans(samples[None], vocab_size, ROUNDS, sample_fn=self.start)

    def start(self, samples: Tensor, num: int) -> Tensor:
        """The first means (1, num, d) by k-means++ (Arthur and Vassilvitskii, 2007): far patches are likelier."""
        points = samples[0]
        draws = uniform(self.seed + 1, num)
        means = [points[int(draws[0] * len(points))]]
        distance = (points - means[0]).square().sum(1)
        for u in draws[1:]:
            total = distance.double().cumsum(0)
            means.append(points[int(torch.searchsorted(total, u * total[-1]))])
            distance = torch.minimum(distance, (points - means[-1]).square().sum(1))
        return torch.stack(means)[None]

    def encode(self, images: Tensor) -> Tensor:
        return torch.cdist(cut(images), self.means).argmin(1).view(len(images), *self.layout.grid)

    def decode(self, ids: Tensor) -> Tensor:
        return torch.pixel_shuffle(self.means[ids].movedim(-1, 1), PATCH)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500, help="training batches of a row")
    parser.add_argument("--width", type=int, default=32, help="channels of the VQ-GAN")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--lr", type=float, default=4e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=Path, default=Path("runs/quantizers"), help="folder for finished rows")
    arguments = parser.parse_args()
    data = Emoji(SIZE, seed=0)
    common = {"seed": arguments.seed, "data": data.fingerprint}
    training = {"steps": arguments.steps, "width": arguments.width, "batch_size": arguments.batch_size,
                "lr": arguments.lr}  # fmt: skip
    rows = []
    for number, name in enumerate([BASELINE, *ENTRIES]):
        path = arguments.rows / f"{number:02d}.json"
        row = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        settings = {"name": name, **common, **(training if name in ENTRIES else {})}
        if row.get("settings") != settings:
            print(name, file=sys.stderr, flush=True)
            coder = train(ENTRIES[name](), data, arguments) if name in ENTRIES else baseline(data, arguments.seed)
            row = {"settings": settings, "scores": evaluate(coder, data)}
            save_json(row, path)
        rows.append(row)
    report(rows, arguments, data)


def train(quantizer: Quantizer, data: Emoji, arguments: argparse.Namespace) -> VQGAN:
    """A VQ-GAN of few layers, trained without adversary for what PSNR measures."""
    torch.manual_seed(arguments.seed)
    vqgan = VQGAN(quantizer, SIZE, width=arguments.width, multipliers=(1,), num_res_blocks=0, attention_resolutions=(),
                  patch=PATCH, middle_attention=False, group_size=4)  # fmt: skip
    optimizer = torch.optim.Adam(vqgan.parameters(), arguments.lr, betas=(0.9, 0.95))
    scheduler = WarmupCosine(optimizer, 50, arguments.steps, 0.01)
    loss = ReconstructionLoss(l1=0.0, mse=1.0)
    for step, images in zip(range(arguments.steps), batches(data, arguments), strict=False):
        reconstruction, quantized = vqgan(images)
        output = loss(reconstruction, images)
        (output.loss + quantized.loss).backward()
        torch.nn.utils.clip_grad_norm_(vqgan.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        if step % 100 == 99:
            print(f"  {step + 1} steps, PSNR {10 * log10(4 / output.metrics['mse']):.1f}", file=sys.stderr, flush=True)
    return vqgan.eval()


def batches(data: Emoji, arguments: argparse.Namespace) -> Iterator[Tensor]:
    """Training images in [-1, 1], the same for every row."""
    pictures = data.dataset("train")
    order = TrainOrder(len(pictures), arguments.batch_size, arguments.seed, mirror=True)
    for epoch in count():
        order.set_epoch(epoch)
        for numbers in order:
            yield to_unit(pictures.__getitems__(numbers)["image"])


def baseline(data: Emoji, seed: int) -> Patches:
    pictures = data.dataset("train")
    return Patches(pictures.__getitems__(list(range(len(pictures))))["image"], 512, seed)


@torch.no_grad()
def evaluate(coder: VQGAN | Patches, data: Emoji) -> dict[str, float]:
    """Scores of the reconstructions of all held-out pictures, rounded to 8 bits."""
    pictures = data.dataset("val")
    psnr = PeakSignalNoiseRatio(data_range=(-1.0, 1.0), dim=(1, 2, 3))
    ssim = StructuralSimilarityIndexMeasure(data_range=(-1.0, 1.0))
    usage, network = CodebookUsage(coder.layout.vocab_size, coder.layout.num_codes), EfficientNetLite0()
    features: list[list[Tensor]] = [[], []]
    for numbers in torch.arange(len(pictures)).split(32):
        images = pictures.__getitems__(numbers.tolist())["image"]
        ids = coder.encode(to_unit(images))
        decoded = to_uint8(coder.decode(ids))
        psnr.update(to_unit(decoded), to_unit(images))
        ssim.update(to_unit(decoded), to_unit(images))
        usage.update(ids)
        for known, shown in zip(features, (images, decoded), strict=True):
            known.append(network(shown))
    bits = ids[0].numel() * log2(coder.layout.vocab_size)
    scores: dict[str, Any] = {"psnr": psnr.compute(), "ssim": ssim.compute(), **usage.compute()}
    scores["fd"] = frechet_distance(*map(torch.cat, features))
    return {"bits": round(bits), **{name: float(value) for name, value in scores.items()}}


def report(rows: list[dict[str, Any]], arguments: argparse.Namespace, data: Emoji) -> None:
    """Print the table as markdown."""
    versions = {**provenance(), "vector-quantize-pytorch": version("vector-quantize-pytorch")}
    num, side = len(data.dataset("val")), SIZE // PATCH
    print("# Quantizers on emoji at 64x64\n")
    print(f"`python benchmarks/studies/quantizers.py` on {date.today()}. Training: {arguments.steps} steps of")
    print(f"{arguments.batch_size} pictures, mean squared error, highest learning rate {arguments.lr}, width")
    print(f"{arguments.width}, grid {side}x{side}, seed {arguments.seed}, float32.")
    print(f"Scores: all {num} held-out pictures (data {data.fingerprint}), reconstructed and rounded to 8 bits;")
    print("fd = FD(efficientnet-lite0) to the originals of the same pictures; usage and perplexity of all codebooks.")
    print()
    print(", ".join(f"{name} {value}" for name, value in versions.items()) + "\n")
    print("| quantizer | " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---:|" * len(COLUMNS))
    for row in rows:
        print(
            f"| {row['settings']['name']} | "
            + " | ".join(format(row["scores"][c], f) for c, f in COLUMNS.items())
            + " |"
        )


def cut(images: Tensor) -> Tensor:
    """Patches (n * h * w, C * 16) of pictures (n, C, H, W)."""
    return torch.pixel_unshuffle(images, PATCH).movedim(1, -1).flatten(0, -2)


def uniform(seed: int, num: int) -> Tensor:
    """`num` numbers in (0, 1)."""
    return Noise.of(seed, 1).uniform(0, 0, num)[0]


if __name__ == "__main__":
    main()
