"""What the neighbours of a picture tell of its ids: NLL with the true ones, random ones and none.

    OMP_NUM_THREADS=1 python benchmarks/studies/neighbours.py --pictures icons64 --out neighbours

`icons64` is what `lightgen data icons` draws. Of its pictures a share is taken, split by code point, so that no
neighbour shows the same emoji in another style. Two tiny priors are trained, one told neighbours and one not, on all
but the pictures of one style, of which only 20 are left to train on; the memory has all of them. Bits are the bound of
the process on held-out pictures, one random term a picture, the same for all. Random neighbours are those of another
held-out picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from figures import bits, spread
from torch import Tensor
from training import learn

from lightgen.checkpoint import load_tokenizer
from lightgen.condition import Condition
from lightgen.conditioners import Neighbours
from lightgen.data import ImageFolder
from lightgen.data.encode import encode
from lightgen.data.index import Indexing, ids_of
from lightgen.data.token_cache import TokenCache
from lightgen.metrics.features import EfficientNetLite0
from lightgen.processes import MaskGIT as Masked

RARE, LEFT = "fxemoji", 20
EVERY, NUM, TERMS = 10, 2, 2
TRAINING = {"dim": 96, "steps": 350}


def main(pictures: Path, out: Path, seed: int) -> None:
    data = some(pictures, out / "pictures")
    cache = encode(out / "ids", load_tokenizer("zoo:emoji64-tokenizer"), data, indexing=Indexing(EfficientNetLite0(64)))
    (ids, near, label), (val, val_near, val_label) = (of_split(cache, split) for split in ("train", "val"))
    rare = data.class_names.index(RARE)
    left = (label != rare) | ((label == rare).cumsum(0) <= LEFT)
    layout, process = cache.header.layout, Masked(cache.header.vocab_size, label_smoothing=0.0)
    print(f"{len(ids)} pictures in the memory, {int(left.sum())} of them to train on, {len(val)} held out; {NUM} "
          f"neighbours, {layout.num_tokens} ids each; "
          f"{(near_label(cache, label) == label).float().mean():.0%} have the style of their nearest")  # fmt: skip
    told = Condition({"neighbours": near[left]})
    made = learn(process, layout, ids[left], Neighbours(NUM, dropout=0.2), told, seed=seed, **TRAINING)
    without = learn(process, layout, ids[left], None, Condition(), seed=seed, **TRAINING)
    asked = {
        "true": Condition({"neighbours": val_near}),
        "random": Condition({"neighbours": val_near.roll(len(val) // 2, 0)}),
        "none": Condition(),
    }
    found = {name: bits(process, made, val, condition, TERMS) for name, condition in asked.items()}
    found["none, trained without"] = bits(process, without, val, Condition(), TERMS)
    print("\n| neighbours | bits per token | of the common styles | of the style cut down |\n|---|---|---|---|")
    common = val_label != rare
    for name, values in found.items():
        print(f"| {name} | {spread(values)} | {spread(values[common])} | {spread(values[~common])} |")
    for name in ("random", "none", "none, trained without"):
        gain = found[name] - found["true"]
        print(f"| true, saved against {name} | {spread(gain)} | {spread(gain[common])} | {spread(gain[~common])} |")


def some(pictures: Path, folder: Path) -> ImageFolder:
    """Every few pictures, with their code points and styles."""
    lines = (pictures / "metadata.jsonl").read_text(encoding="utf-8").splitlines()[::EVERY]
    for name in (json.loads(line)["file_name"] for line in lines):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.symlink_to((pictures / name).resolve())
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return ImageFolder(
        root=str(folder), labels="style", identity="codepoint", image_size=64, val_fraction=0.2, test_fraction=0
    )


def of_split(cache: TokenCache, split: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Ids (n, N), those of the neighbours (n, k, N), and styles (n,)."""
    dataset, table = cache.dataset(split), torch.from_numpy(cache.neighbours(split))
    ids = ids_of(dataset, torch.arange(len(dataset)))
    return ids, ids_of(cache.dataset("train"), table[:, :NUM]), torch.tensor(dataset.conditions["label"])


def near_label(cache: TokenCache, label: Tensor) -> Tensor:
    """The style of each picture's nearest."""
    return label[torch.from_numpy(cache.neighbours("train")[:, 0])]


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--pictures", type=Path, required=True, help="folder that `lightgen data icons` drew")
    given.add_argument("--out", type=Path, default=Path("neighbours"), help="folder of the token cache")
    given.add_argument("--seed", type=int, default=0, help="of the first weights and of training")
    main(**vars(given.parse_args()))
