"""Pictures from a Hugging Face data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from lightgen.data.base import ImageData
from lightgen.data.collection import Collection


class HuggingFaceImages(ImageData):
    """An image column of a data set from the hub, or of one that `save_to_disk` wrote.

    Args:
        path: a name on the hub, or a folder.
        split: the data set's split to take pictures from; lightgen's own splits are made within it.
        image_column: the column of pictures.
        label_column: a column of class ids; None for no labels.
        **kwargs: see `ImageData`.

    Raises:
        ValueError: if the package `datasets`, the data set or a column is missing.
    """

    source: ClassVar[str] = "the Hugging Face hub"

    def __init__(
        self,
        path: str,
        split: str = "train",
        image_column: str = "image",
        label_column: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path, self.split = path, split
        self.image_column, self.label_column = image_column, label_column

    def collect(self) -> Collection:
        try:
            import datasets
        except ImportError:
            raise ValueError('Hugging Face data sets need: pip install "lightgen[huggingface]"') from None
        try:
            found = datasets.load_from_disk(self.path) if Path(self.path).is_dir() else datasets.load_dataset(self.path)
        except Exception as error:
            raise ValueError(f"no data set {self.path}: {' '.join(str(error).split())[:200]}") from None
        if isinstance(found, dict):
            if self.split not in found:
                raise ValueError(f"the data set {self.path} has no split {self.split}; there are {', '.join(found)}")
            found = found[self.split]
        for column in filter(None, (self.image_column, self.label_column)):
            if column not in found.column_names:
                raise ValueError(f"the data set {self.path} has no column {column}; there are {found.column_names}")
        return _Rows(found, self.image_column, self.label_column)


class _Rows(Collection):
    def __init__(self, rows: Any, image_column: str, label_column: str | None) -> None:
        self.rows, self.column = rows, image_column
        self.identities = [f"row-{i}" for i in range(len(rows))]
        if label_column is not None:
            feature = rows.features[label_column]
            labels = np.array(rows[label_column], np.int64)
            self.conditions = {"label": labels}
            self.class_names = getattr(feature, "names", None) or [str(i) for i in range(labels.max() + 1)]

    def contents(self) -> str:
        return str(self.rows._fingerprint)

    def open(self, i: int) -> Image.Image:
        image: Image.Image = self.rows[i][self.column]
        return image
