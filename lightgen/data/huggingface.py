"""Pictures from a Hugging Face data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from PIL import Image

from lightgen.data.base import ImageData
from lightgen.data.collection import Collection, said
from lightgen.data.columns import Columns, tell
from lightgen.data.metadata import Metadata, Row

PARTS = 16
"""Of a stream that comes from a folder."""


class HuggingFaceImages(ImageData):
    """An image column of a data set from the hub, or of one that `save_to_disk` wrote.

    Pictures that lack what `labels` or `columns` name are left out, and counted.

    Args:
        path: a name on the hub, or a folder.
        split: the data set's split to take pictures from; lightgen's own splits are made within it.
        image_column: the column of pictures.
        labels, captions, identity, columns: see `ImageFolder`; columns of the data set. Its own class ids are kept.
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
        labels: str | None = None,
        captions: str | None = None,
        identity: str | None = None,
        columns: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path, self.split, self.image_column = path, split, image_column
        self.columns = Columns(labels, captions, identity, tuple(columns))

    def collect(self) -> Collection:
        return _Rows(self.path, found(self.path, self.split), self.image_column, self.columns)


def found(path: str, split: str, streaming: bool = False) -> Any:
    """A split of a data set, or a stream of it.

    Raises:
        ValueError: if the package `datasets`, the data set or the split is missing.
    """
    try:
        import datasets
    except ImportError:
        raise ValueError('Hugging Face data sets need: pip install "lightgen[huggingface]"') from None
    try:
        if Path(path).is_dir():
            everything = datasets.load_from_disk(path)
        else:
            everything = datasets.load_dataset(path, streaming=streaming)
    except Exception as error:
        raise ValueError(f"no data set {path}: {' '.join(str(error).split())[:200]}") from None
    if isinstance(everything, dict):
        if split not in everything:
            raise ValueError(f"the data set {path} has no split {split}; there are {', '.join(everything)}")
        everything = everything[split]
    if streaming and isinstance(everything, datasets.Dataset):
        everything = everything.to_iterable_dataset(min(PARTS, len(everything)))
    return everything


def require_columns(path: str, there: Sequence[str], wanted: Sequence[str]) -> None:
    """Refuse what is not there.

    Raises:
        ValueError: names the column.
    """
    for column in wanted:
        if column not in there:
            raise ValueError(f"the data set {path} has no column {column}; there are {', '.join(there)}")


def class_names(features: Any, columns: Sequence[str]) -> dict[str, list[str]]:
    """Of the columns that are class ids, by name."""
    return {name: features[name].names for name in columns if hasattr(features[name], "names")}


def _known(row: Row, ids: Sequence[str]) -> Row:
    """What a row says: a class id of -1, in columns that have some, says nothing."""
    return {name: None if name in ids and value == -1 else value for name, value in row.items()}


class _Rows(Collection):
    def __init__(self, path: str, rows: Any, image_column: str, columns: Columns) -> None:
        self.path, self.rows, self.column, self.columns = path, rows, image_column, columns
        require_columns(path, rows.column_names, [image_column, *columns.names])
        pictures = [f"row-{i}" for i in range(len(rows))]
        self.identities = pictures
        self.numbers: Sequence[int] = range(len(rows))
        if columns:
            ids = class_names(rows.features, columns.names)
            lines = rows.select_columns(list(dict.fromkeys(columns.names))).with_format(None)
            metadata = Metadata({picture: _known(row, [*ids]) for picture, row in zip(pictures, lines, strict=True)})
            told = tell(path, metadata, pictures, columns, class_names=ids)
            self.numbers = [int(picture.removeprefix("row-")) for picture in told.pictures]
            self.identities, self.conditions = told.identities, told.conditions
            self.class_names, self.words = told.class_names, told.words

    def contents(self) -> str:
        own = str(self.rows._fingerprint)
        # Rows and class ids are in that.
        if self.columns == Columns(self.columns.labels):
            return own
        return hashlib.sha256(own.encode() + said(self)).hexdigest()

    def name(self, i: int) -> str:
        return f"{self.path} row {self.numbers[i]}"

    def open(self, i: int) -> Image.Image:
        image: Image.Image = self.rows[self.numbers[i]][self.column]
        return image
