"""Files of pictures that tests make, and all that a folder holds."""

import struct
from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, size: tuple[int, int] = (20, 16)) -> Image.Image:
    """A random smooth picture (width, height)."""
    small = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size)


def folder(root: Path, num: int = 40, suffixes: tuple[str, ...] = (".png",)) -> Path:
    """A folder of pictures in two subfolders."""
    for i in range(num):
        path = root / ("cats" if i % 2 else "dogs") / f"{i:03d}{suffixes[i % len(suffixes)]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i).save(path)
    return root


def idx(root: Path, num_train: int = 30, num_test: int = 10, side: int = 28, seed: int = 0) -> Path:
    """The four files of a tiny MNIST."""
    root.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    for name, num in (("train", num_train), ("t10k", num_test)):
        images = generator.integers(0, 256, (num, side, side), dtype=np.uint8)
        labels = (np.arange(num) % 10).astype(np.uint8)
        head = b"\0\0\x08\x03" + struct.pack(">iii", num, side, side)
        (root / f"{name}-images-idx3-ubyte").write_bytes(head + images.tobytes())
        (root / f"{name}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + struct.pack(">i", num) + labels.tobytes())
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, by name."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
