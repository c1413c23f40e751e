"""Decoding of one 256x256 picture by the f16 VQ-GAN as a share of the machine's float32 matrix rate:

python benchmarks/speed/vqgan_decode.py
"""

from __future__ import annotations

from functools import partial

import torch
from timing import best_seconds, flops, matmul

from lightgen.quantizers.vq import VQ
from lightgen.tokenizers.vqgan import VQGAN


@torch.no_grad()
def main() -> None:
    vqgan = VQGAN(VQ(1024, 256), 256).eval()
    product, product_flops = matmul()
    decode = partial(vqgan.decode, torch.randint(1024, (1, 16, 16)))
    work = flops(decode)
    seconds, product_seconds = best_seconds(decode, product, rounds=5)
    share = work / seconds / (product_flops / product_seconds)
    print("  GFLOP      ms   share of matrix rate")
    print(f"{work / 1e9:7.1f} {seconds * 1e3:7.0f}   {share:.2f}")


if __name__ == "__main__":
    main()
