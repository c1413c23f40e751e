"""What an edit without a mask keeps of a picture, and what it changes, as its strength rises.

    python benchmarks/studies/editing.py runs/emoji64-{sundae,absorbing,uniform}/last.ckpt
    python benchmarks/studies/editing.py runs/icons64-absorbing/last.ckpt --judge runs/icons64-scorer/last.ckpt

Held-out emoji are edited towards another class than theirs, by each prior's own recipe, guidance included. What is kept
is that of the reconstruction: tokens, and pixels of which no channel moves by more than 16 of 255. The classifier, a
linear layer on ImageNet features as in `guidance.py`, says how many edits are of the new class, and of the old one.

With a judge, held-out pictures of what each prior was trained on are edited towards the caption of another one of them,
and the judge says how many are nearest to the new caption of all, how many to the old one, and how near the new one is:
at strength 0 before the edit, at 1 that of pictures which are made from nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import torch
from classifier import features_of, fit
from priors import batches, some
from torch import Tensor, nn
from trained_on import captioned, pictures_at, pictures_of

from lightgen.checkpoint import load, load_scorer
from lightgen.data.emoji import Emoji
from lightgen.data.pictures import Pictures
from lightgen.editing import noised
from lightgen.functional.random import Noise
from lightgen.functional.text import keys, to_texts
from lightgen.metrics.captions import COSINE
from lightgen.metrics.features import EfficientNetLite0, FeatureNetwork
from lightgen.prior import Prior
from lightgen.scorers.base import Scorer

NUM, NUM_TRAINING = 48, 1200
STRENGTHS = (0.0, 0.2, 0.4, 0.6, 1.0)
TOLERANCE = 16


@dataclass(frozen=True)
class Task:
    """Pictures, what they are, and what they are to become."""

    pictures: Tensor
    """(n, C, H, W) uint8."""
    asked: dict[str, list[str] | Tensor]
    """As `Prior.condition` takes it."""
    new: Tensor
    old: Tensor
    """(n,) what is told apart, by number."""
    seen: Callable[[Tensor], Tensor]
    """What pictures are taken for, (n,) by number."""
    score: Callable[[Tensor], float] | None = None
    """How well pictures fit what they are to become."""


def main(arguments: list[str] | None = None) -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("priors", nargs="+")
    made.add_argument("--judge", help="a scorer's checkpoint, or a CLIP folder, where priors know text")
    made.add_argument("--root", help="the folder of pictures, where it is not where the priors were trained")
    given = made.parse_args(arguments)
    judge = None if given.judge is None else load_scorer(given.judge)
    towards = of_classes() if judge is None else None
    what = "class" if judge is None else "caption"
    print(f"{NUM} held-out pictures at most, each towards another {what}\n")
    columns = ["prior", "sampler", "strength", "evaluations", "tokens kept", "pixels kept"]
    columns += [f"of new {what}", f"of old {what}", *([] if judge is None else [COSINE])]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for path in given.priors:
        prior: Prior = load(path, "prior")
        task = towards or of_captions(pictures_of(path, given.root).dataset("val"), judge)
        for row in edited(prior, task):
            print(f"| {path} | {type(prior.recipe.sampler).__name__} | {' | '.join(row)} |", flush=True)


def edited(prior: Prior, task: Task) -> list[list[str]]:
    """For each strength: evaluations, tokens and pixels kept, of the new and of the old kind, how near the new one."""
    num, ids = len(task.pictures), prior.encode(task.pictures)
    reconstructed, noise, rows = prior.decode(ids), Noise.of(0, num), []
    for strength in STRENGTHS:
        noisy, start = noised(prior, ids, strength, noise)
        asked = prior.condition(num_images=num, **task.asked)
        found = prior.sample_ids(noise, condition=asked, ids_BN=noisy, start=start)
        images = prior.decode(found.ids)
        same = (found.ids == ids).float().mean()
        apart = (images.int() - reconstructed.int()).abs().amax(1)
        seen = task.seen(images)
        cells = [same, (apart <= TOLERANCE).float().mean()]
        cells += [(seen == kind).float().mean() for kind in (task.new, task.old)]
        scores = [] if task.score is None else [task.score(images)]
        shares = [f"{float(cell):.3f}" for cell in [*cells, *scores]]
        rows.append([f"{strength:g}", f"{found.trace.evaluations.float().mean():.1f}", *shares])
    return rows


def of_classes() -> Task:
    """Held-out emoji, each towards another class."""
    data, features = Emoji(), EfficientNetLite0()
    num_classes = len(data.class_names)
    images, label = some(data.dataset("train"), NUM_TRAINING)
    classifier = fit(features_of(features, images), label, num_classes)
    pictures, old = some(data.dataset("val"), NUM)
    new = (old + 1 + Noise.of(0, NUM).integers(0, 0, 1, num_classes - 1).squeeze(1)) % num_classes
    return Task(pictures, {"label": new}, new, old, lambda images: classes(features, classifier, images))


def of_captions(held_out: Pictures, judge: Scorer) -> Task:
    """Held-out pictures of different captions, each towards the caption of another one."""
    rows, caption = captioned(held_out), held_out.condition()["caption"]
    different = [*{key: row for row, key in zip(rows, keys(caption[rows]).tolist(), strict=True)}.values()]
    num = min(NUM, len(different))
    chosen = [different[i * len(different) // num] for i in range(num)]
    old = torch.arange(num)
    new, said = old.roll(num // 2), caption[chosen]

    @torch.no_grad()
    def cosines(images: Tensor) -> Tensor:
        texts = judge.embed_texts(said)
        return torch.cat([judge.embed_images(some) @ texts.T for (some,) in batches(images)])

    return Task(
        pictures_at(held_out, chosen),
        {"text": to_texts(said[new].numpy())},
        new,
        old,
        lambda images: cosines(images).argmax(1),
        lambda images: float(cosines(images).gather(1, new[:, None]).mean()),
    )


@torch.no_grad()
def classes(features: FeatureNetwork, classifier: nn.Module, images: Tensor) -> Tensor:
    """(B,) what the classifier takes pictures for."""
    answer: Tensor = classifier(features_of(features, images)).argmax(1)
    return answer


if __name__ == "__main__":
    main()
