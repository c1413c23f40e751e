"""Damaged files: a reader takes them, with what was in them, or refuses them in one line.

    python tests/fuzz/damage.py --times 300

damages pictures of seven formats, a checkpoint, an exported prior and rows of results, at random, and prints how many
were tried and handled.
"""

from __future__ import annotations

import argparse
import io
import random
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import lightgen
from lightgen.bench.rows import read as read_rows
from lightgen.checkpoint import export, save
from lightgen.data.pictures import UNREADABLE
from lightgen.functional.pictures import to_tensor

Image.init()
FORMATS = [name for name in ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF") if name in Image.SAVE]
"""Pillow writes AVIF from 11.3 on."""
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "emoji64" / "results-leave-one-out.jsonl"


def damaged(data: bytes, generator: random.Random) -> bytes:
    """A file with a bit flipped, an end cut off, a part zeroed, repeated or moved, or noise written over it."""
    whole = bytearray(data)
    at, other = sorted((generator.randrange(len(whole)), generator.randrange(len(whole))))
    kind = generator.choice(("flip", "cut", "zero", "repeat", "move", "noise"))
    if kind == "flip":
        whole[at] ^= 1 << generator.randrange(8)
    elif kind == "cut":
        del whole[at:]
    elif kind == "zero":
        whole[at:other] = bytes(other - at)
    elif kind == "repeat":
        whole[other:other] = whole[at : min(other, at + 1000)]
    elif kind == "move":
        whole = whole[other:] + whole[:other]
    else:
        whole[at : at + 16] = generator.randbytes(len(whole[at : at + 16]))
    return bytes(whole)


def pictures(work: Path, generator: random.Random) -> str | None:
    """A picture is read, whatever is left of it, or is one that the data leave out."""
    image = Image.fromarray(np.frombuffer(generator.randbytes(24 * 20 * 3), np.uint8).reshape(24, 20, 3))
    written = io.BytesIO()
    image.save(written, generator.choice(FORMATS))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = to_tensor(Image.open(io.BytesIO(damaged(written.getvalue(), generator))), (16, 16), 3, "lanczos")
    except UNREADABLE:
        return None
    return None if found.shape == (3, 16, 16) else f"a picture of shape {tuple(found.shape)}"


def weights(work: Path, generator: random.Random) -> str | None:
    """A checkpoint or an exported folder gives the weights that were written, or is refused."""
    checkpoint, exported = _models(work)
    names = [checkpoint, *(path for path in sorted(exported.iterdir()) if path.is_file())]
    file = generator.choice(names)
    whole, made = file.read_bytes(), lightgen.load("zoo:emoji64-tokenizer").state_dict()
    file.write_bytes(damaged(whole, generator))
    try:
        return _one_line(lambda: _differs(made, lightgen.load(checkpoint if file == checkpoint else exported)))
    finally:
        file.write_bytes(whole)


def rows(work: Path, generator: random.Random) -> str | None:
    """Rows of results are read or refused. What is a number in a row may be another one: they are text."""
    folder = work / "rows"
    folder.mkdir(exist_ok=True)
    (folder / RESULTS.name).write_bytes(damaged(RESULTS.read_bytes(), generator))
    return _one_line(lambda: read_rows(folder) and None)


TARGETS: dict[str, Callable[[Path, random.Random], str | None]] = {
    "pictures": pictures,
    "weights": weights,
    "rows": rows,
}


def _models(work: Path) -> tuple[Path, Path]:
    checkpoint, exported = work / "tiny.ckpt", work / "exported"
    if not checkpoint.is_file():
        save(lightgen.load("zoo:emoji64-tokenizer"), checkpoint)
        export(checkpoint, exported)
    return checkpoint, exported


def _differs(made: dict[str, torch.Tensor], found: Any) -> str | None:
    same = all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in made.items())
    return None if same else "other weights, and not a word"


def _one_line(read: Callable[[], str | None]) -> str | None:
    try:
        return read()
    except ValueError as error:
        return None if "\n" not in str(error) else f"several lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def main() -> int:
    """Try them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=300, help="each kind of file")
    parser.add_argument("--seed", type=int, default=0, help="of the damage")
    given = parser.parse_args()
    tried = handled = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, attempt in TARGETS.items():
            generator = random.Random(f"{given.seed} {name}")
            wrong = [attempt(Path(folder), generator) for _ in range(given.times)]
            tried, handled = tried + given.times, handled + wrong.count(None)
            print(f"{name}: {wrong.count(None)} of {given.times}", *filter(None, wrong), sep="\n  ", flush=True)
    print(f"tried {tried}, handled {handled}")
    return int(handled < tried)


if __name__ == "__main__":
    raise SystemExit(main())
