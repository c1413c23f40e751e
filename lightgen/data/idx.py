"""The MNIST family: pictures in IDX files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from lightgen.data.base import ImageData
from lightgen.data.collection import Collection
from lightgen.functional.splits import split_of

FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
PARTS = {"train": "train", "test": "t10k"}


class IDXImages(ImageData):
    """MNIST, Fashion-MNIST, KMNIST: the official test part is the test split, the rest is split by row.

    Args:
        root: folder of the four IDX files, gzipped or not.
        image_size, channels: see `ImageData`.
        **kwargs: see `ImageData`; `test_fraction` has no effect.

    Raises:
        ValueError: if the files are not there.
    """

    source: ClassVar[str] = "LeCun et al., 1998; Xiao et al., 2017, arXiv 1708.07747"

    def __init__(
        self, root: str = FASHION_MNIST, image_size: int | tuple[int, int] = 28, channels: int = 1, **kwargs: Any
    ) -> None:
        super().__init__(image_size, channels, **kwargs)
        self.root = Path(root)

    def collect(self) -> Collection:
        return _IDX(self.root, self.val_fraction, self.seed)


class _IDX(Collection):
    def __init__(self, root: Path, val_fraction: float, seed: int) -> None:
        images, labels = [], []
        self.identities, self.fixed = [], []
        for part, prefix in PARTS.items():
            images.append(_read(root, f"{prefix}-images-idx3-ubyte"))
            labels.append(_read(root, f"{prefix}-labels-idx1-ubyte"))
            names = [f"{part}-{i}" for i in range(len(images[-1]))]
            self.identities += names
            self.fixed += [part if part == "test" else split_of(name, val_fraction, 0.0, seed) for name in names]
        self.images = np.concatenate(images)
        self.conditions = {"label": np.concatenate(labels).astype(np.int64)}
        self.class_names = [str(i) for i in range(self.conditions["label"].max() + 1)]

    def contents(self) -> str:
        return hashlib.sha256(self.images.data).hexdigest()

    def open(self, i: int) -> Image.Image:
        return Image.fromarray(self.images[i])


def _read(root: Path, name: str) -> np.ndarray:
    """An IDX file of bytes: magic 0 0 8 rank, the sizes as big-endian int32, the values."""
    for path in (root / name, root / f"{name}.gz"):
        if path.is_file():
            data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            rank = data[3] if len(data) > 4 else 0
            shape = np.frombuffer(data, ">i4", rank, 4)
            if data[:3] != b"\0\0\x08" or len(data) != 4 + 4 * rank + int(shape.prod()):
                raise ValueError(f"{path} is not an IDX file of bytes, or is cut off")
            return np.frombuffer(data, np.uint8, offset=4 + 4 * rank).reshape(shape)
    raise ValueError(f"no {name}(.gz) in {root}; for Fashion-MNIST: apt-get install dataset-fashion-mnist, "
                     "else put the four IDX files there or say where they are with --data.root")  # fmt: skip
