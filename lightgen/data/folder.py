"""Pictures from a folder or a zip file."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, ClassVar

import numpy as np
from PIL import Image

from lightgen.data.base import ImageData
from lightgen.data.collection import Array, Collection, said
from lightgen.data.columns import Columns, tell
from lightgen.data.metadata import read_metadata, texts_beside
from lightgen.data.pictures import refuse_corrupt, warn_of_corrupt
from lightgen.functional.picture_files import UNREADABLE, files_under, is_picture


class ImageFolder(ImageData):
    """JPEG, PNG and WebP files of any folder, nested or flat, or of a .zip; hidden ones are left out.

    Links are followed, but each folder is looked into once. The fingerprint knows names and sizes of the files, so that
    none of them has to be read for it.

    `metadata.jsonl` or `metadata.csv`, in any folder, may have columns of pictures by their `file_name`, as Hugging
    Face's imagefolder has them. Pictures that lack the class or a number are left out, and counted; a word that
    they lack is hidden for them.

    Args:
        root: the folder or .zip.
        labels: the class: true takes the first subfolder's name, a name that column.
        captions: a column of texts, one or a list of them; without one, each line of NAME.txt beside NAME.png is one.
        identity: a column in place of the file's name; what has the same never falls on two sides of a split.
        columns: others that batches shall have as conditions: of numbers, of rows of numbers, or of words.
        **kwargs: see `ImageData`.

    Raises:
        ValueError: if there are no pictures, more than 1 % of them are corrupt, or none has one of the columns.
    """

    source: ClassVar[str] = "your own pictures"

    def __init__(
        self,
        root: str,
        labels: bool | str = False,
        captions: str | None = None,
        identity: str | None = None,
        columns: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.root = Path(root)
        self.labels = labels is True
        self.columns = Columns(labels if isinstance(labels, str) else None, captions, identity, tuple(columns))
        if not self.root.exists():
            raise ValueError(f"no folder or .zip of pictures at {root}; put JPEG, PNG or WebP files there, "
                             "or say where they are with --data.root")  # fmt: skip

    def collect(self) -> Collection:
        files: _Files = _Zip(self.root) if self.root.is_file() else _Files(self.root)
        return _Folder(files, self.labels, self.columns)


class _Files:
    """Names of the pictures under a folder, and their bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        return [path.relative_to(self.root).as_posix() for path in files_under(self.root)]

    def read(self, name: str) -> IO[bytes]:
        return (self.root / name).open("rb")

    def read_other(self, name: str) -> IO[bytes]:
        """What is no picture.

        Raises:
            ValueError: if it cannot be read.
        """
        try:
            return self.read(name)
        except UNREADABLE as error:
            raise ValueError(f"{self.root / name} cannot be read: {' '.join(str(error).split())}") from None

    def size(self, name: str) -> int:
        """Bytes."""
        return (self.root / name).stat().st_size


class _Zip(_Files):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._opened: tuple[int, zipfile.ZipFile] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_opened": None}

    @property
    def archive(self) -> zipfile.ZipFile:
        """The open file, one for each process: forked ones would share a place in it."""
        if self._opened is None or self._opened[0] != os.getpid():
            try:
                self._opened = os.getpid(), zipfile.ZipFile(self.root)
            except zipfile.BadZipFile:
                raise ValueError(f"{self.root} is neither a folder nor a .zip file") from None
        return self._opened[1]

    def names(self) -> list[str]:
        return self.archive.namelist()

    def read(self, name: str) -> IO[bytes]:
        return BytesIO(self.archive.read(name))

    def size(self, name: str) -> int:
        return self.archive.getinfo(name).file_size


class _Folder(Collection):
    def __init__(self, files: _Files, labels: bool, columns: Columns) -> None:
        self.files, self.columns = files, columns
        everything = files.names()
        names = sorted(name for name in everything if is_picture(PurePosixPath(name)))
        if not names:
            raise ValueError(f"no JPEG, PNG or WebP files in {files.root}")
        corrupt = {name: str(files.root / name) for name in names if not self._has_header(name)}
        refuse_corrupt(list(corrupt.values()), len(names))
        if corrupt:
            warn_of_corrupt(list(corrupt.values()), len(names))
        self.names = [name for name in names if name not in corrupt]
        self.identities = [str(PurePosixPath(name).with_suffix("")) for name in self.names]
        self.conditions: dict[str, Array] = {}
        if columns:
            metadata = read_metadata(everything, files.read_other, self.names)
            told = tell(str(files.root), metadata, self.names, columns, texts_beside(everything, files.read_other))
            self.names, self.identities, self.conditions = told.pictures, told.identities, told.conditions
            self.class_names, self.words = told.class_names, told.words
        if labels:
            classes = [PurePosixPath(name).parts[0] for name in self.names]
            if any(len(PurePosixPath(name).parts) < 2 for name in self.names):
                raise ValueError(
                    f"labels need a subfolder for each class in {files.root}, but some pictures are in none"
                )
            self.class_names = sorted(set(classes))
            self.conditions["label"] = np.array([self.class_names.index(c) for c in classes])

    def contents(self) -> str:
        sizes = [f"{name} {self.files.size(name)}" for name in self.names]
        digest = hashlib.sha256("\n".join(sizes).encode(errors="surrogatepass"))
        if self.columns:
            # Subfolders' names, which are classes without them, are known already.
            digest.update(said(self))
        return digest.hexdigest()

    def name(self, i: int) -> str:
        return str(self.files.root / self.names[i])

    def open(self, i: int) -> Image.Image:
        image = Image.open(self.files.read(self.names[i]))
        image.load()
        return image

    def _has_header(self, name: str) -> bool:
        try:
            with self.files.read(name) as stream, Image.open(stream):
                return True
        except UNREADABLE:
            return False
