"""Forward pass of the hourglass as a share of the machine's float32 matrix rate.

Width 256, depth 2-6-2, 16x16 grid, V = 1024, at batch 1, 8 and 32:

    python benchmarks/speed/hourglass_speed.py
"""

from __future__ import annotations

from functools import partial

import torch
from timing import best_seconds, flops, matmul

from lightgen.layout import Layout
from lightgen.networks.base import Interface
from lightgen.networks.hourglass import Hourglass


@torch.no_grad()
def main() -> None:
    network = Hourglass(Interface(Layout((16, 16), 1024), 1024), dim=256, depth=(2, 6, 2)).eval()
    product, product_flops = matmul()
    print("batch   GFLOP      ms   share of matrix rate")
    for batch in (1, 8, 32):
        forward = partial(network, torch.randint(1024, (batch, 256)))
        work = flops(forward)
        seconds, product_seconds = best_seconds(forward, product)
        share = work / seconds / (product_flops / product_seconds)
        print(f"{batch:5d} {work / 1e9:7.2f} {seconds * 1e3:7.1f}   {share:.2f}")


if __name__ == "__main__":
    main()
