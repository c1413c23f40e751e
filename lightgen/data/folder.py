"""Pictures from a folder or a zip file."""

from __future__ import annotations

import warnings
import zipfile
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO, Any, ClassVar

from PIL import Image

from lightgen.data.base import ImageData
from lightgen.data.collection import Collection
from lightgen.data.pictures import refuse_corrupt

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp"))


class ImageFolder(ImageData):
    """JPEG, PNG and WebP files of any folder, nested or flat, or of a .zip.

    Args:
        root: the folder or .zip.
        labels: take the first subfolder's name as the class.
        **kwargs: see `ImageData`.

    Raises:
        ValueError: if there are no pictures, or more than 1 % of them are corrupt.
    """

    source: ClassVar[str] = "your own pictures"

    def __init__(self, root: str, labels: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = Path(root)
        self.labels = labels
        if not self.root.exists():
            raise ValueError(f"no folder or .zip of pictures at {root}; put JPEG, PNG or WebP files there, "
                             "or say where they are with --data.root")  # fmt: skip

    def collect(self) -> Collection:
        files: _Files = _Zip(self.root) if self.root.is_file() else _Files(self.root)
        return _Folder(files, self.labels)


class _Files:
    """Names of the pictures under a folder, and their bytes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> list[str]:
        return [p.relative_to(self.root).as_posix() for p in self.root.rglob("*") if p.is_file()]

    def read(self, name: str) -> IO[bytes]:
        return (self.root / name).open("rb")


class _Zip(_Files):
    def names(self) -> list[str]:
        try:
            with zipfile.ZipFile(self.root) as archive:
                return archive.namelist()
        except zipfile.BadZipFile:
            raise ValueError(f"{self.root} is neither a folder nor a .zip file") from None

    def read(self, name: str) -> IO[bytes]:
        # Opened anew each time: an open archive cannot be shared by worker processes.
        with zipfile.ZipFile(self.root) as archive:
            return BytesIO(archive.read(name))


class _Folder(Collection):
    def __init__(self, files: _Files, labels: bool) -> None:
        self.files = files
        names = sorted(n for n in files.names() if PurePosixPath(n).suffix.lower() in SUFFIXES)
        if not names:
            raise ValueError(f"no JPEG, PNG or WebP files in {files.root}")
        corrupt = [name for name in names if not self._has_header(name)]
        for name in corrupt:
            warnings.warn(f"corrupt picture skipped: {name}", stacklevel=2)
        refuse_corrupt(corrupt, len(names))
        self.names = [name for name in names if name not in set(corrupt)]
        self.identities = [str(PurePosixPath(name).with_suffix("")) for name in self.names]
        if labels:
            classes = [PurePosixPath(name).parts[0] for name in self.names]
            if any(len(PurePosixPath(name).parts) < 2 for name in self.names):
                raise ValueError(
                    f"labels need a subfolder for each class in {files.root}, but some pictures are in none"
                )
            self.class_names = sorted(set(classes))
            self.labels = [self.class_names.index(c) for c in classes]

    def open(self, i: int) -> Image.Image:
        image = Image.open(self.files.read(self.names[i]))
        image.load()
        return image

    def _has_header(self, name: str) -> bool:
        try:
            with self.files.read(name) as stream, Image.open(stream):
                return True
        except (OSError, ValueError, SyntaxError):
            return False
