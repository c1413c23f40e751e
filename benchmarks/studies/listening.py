"""Does a prior listen? How often a judge finds a generated picture's caption among a hundred, as guidance rises.

    python benchmarks/studies/listening.py runs/icons64-text/last.ckpt --scorer runs/icons64-scorer/last.ckpt

Captions, classes and styles are those of pictures that were held out of the prior's training; of what was held out as
a combination, the training pictures show the emoji in other styles and others in that style; learned captions are those
of training pictures. The judge was trained apart: its own figure is that of real pictures which it has not seen.
Shuffled captions, of real or generated pictures, are chance. Styles are told by a linear layer on ImageNet features,
trained on training pictures.
"""

from __future__ import annotations

import argparse

import torch
from classifier import accuracy, features_of, fit
from priors import batches, sampled
from torch import Tensor, nn
from trained_on import captioned, pictures_at, pictures_of

from lightgen.checkpoint import load, load_scorer
from lightgen.condition import Condition
from lightgen.data.pictures import Pictures
from lightgen.guidance import ConstantGuidance
from lightgen.metrics.captions import COSINE, CaptionScores
from lightgen.metrics.features import EfficientNetLite0
from lightgen.prior import Prior

SCALES = (1.0, 2.0, 4.0)
STYLE = "style"
FOR_STYLES = 4000
"""Training pictures that the judge of styles learns from."""


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("prior")
    made.add_argument("--scorer", required=True, help="a scorer's checkpoint, or a CLIP folder")
    made.add_argument("--root", help="the folder of pictures, where it is not where the prior was trained")
    made.add_argument("--num_images", type=int, default=400)
    given = made.parse_args()
    prior, judge = load(given.prior, "prior"), load_scorer(given.scorer)
    data = pictures_of(given.prior, given.root)
    held_out, train = data.dataset("val"), data.dataset("train")
    rows = spread(captioned(held_out), given.num_images)
    asked, images = Condition(held_out.condition(rows)), pictures_at(held_out, rows)
    features = EfficientNetLite0()
    styles = style_classifier(train, features) if STYLE in asked.tensors else None

    def line(what: str, scale: str, shown: Tensor, told: Condition, with_style: bool = True) -> None:
        scores = CaptionScores(judge)
        for pictures, captions in batches(shown, told.tensors["caption"]):
            scores.update(pictures, captions)
        found = scores.compute()
        cosine = float(found.pop(COSINE))
        (name, recall), *_ = found.items()
        style = ""
        if styles and with_style:
            style = f"{accuracy(styles, features_of(features, shown), told.tensors[STYLE]):.3f}"
        told_of = name.removeprefix("R@1 of ")
        print(f"| {what} | {scale} | {len(shown)} | {recall:.3f} of {told_of} | {cosine:.3f} | {style} |", flush=True)

    def shuffled(told: Condition) -> Condition:
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        return told.replace(caption=told.tensors["caption"][order])

    print(f"{prior}\n\n| pictures | guidance | number | R@1 | {COSINE} | style |\n|---|---|---|---|---|---|")
    line("real, of held-out captions", "", images, asked)
    line("real, captions shuffled", "", images, shuffled(asked), False)
    if (unseen := unseen_by(given.scorer, given.root, held_out)) and (few := spread(unseen, given.num_images)):
        told = Condition(held_out.condition(few))
        line("real, unseen by the judge too", "", pictures_at(held_out, few), told)
    learned = Condition(train.condition(spread(captioned(train), given.num_images)))
    combined = combinations(train, given.num_images) if styles is not None else None
    for scale in SCALES:
        shown = generated(prior, asked, scale)
        line("generated, held-out captions", f"{scale:g}", shown, asked)
        line("generated, captions shuffled", f"{scale:g}", shown, shuffled(asked), False)
        line("generated, learned captions", f"{scale:g}", generated(prior, learned, scale), learned)
        if combined is not None:
            line("generated, held-out combinations", f"{scale:g}", generated(prior, combined, scale), combined)


def spread(numbers: list[int], num: int) -> list[int]:
    """Some of the numbers, from the first to the last."""
    places = torch.linspace(0, len(numbers) - 1, min(num, len(numbers))).round().long()
    return [numbers[place] for place in places.tolist()]


def unseen_by(scorer: str, root: str | None, held_out: Pictures) -> list[int]:
    """Pictures that a scorer was not trained on either; none where nobody knows."""
    try:
        data = pictures_of(scorer, root)
    except (ValueError, TypeError):
        return []
    theirs = {data.collection.name(row) for split in ("val", "test") for row in data.dataset(split).rows}  # type: ignore[arg-type]
    names = [held_out.collection.name(row) for row in held_out.rows]
    return [number for number in captioned(held_out) if names[number] in theirs]


def style_classifier(train: Pictures, features: EfficientNetLite0) -> nn.Module:
    """Features to styles."""
    rows = spread(list(range(len(train))), FOR_STYLES)
    seen = torch.cat([features(train.__getitems__(some.tolist())["image"]) for (some,) in batches(torch.tensor(rows))])
    style = train.condition()[STYLE]
    return fit(seen, style[rows], int(style.max()) + 1)


def combinations(train: Pictures, num: int) -> Condition:
    """What training pictures are asked for, each in a style in which what it shows was never drawn."""
    names, styles = train.names, train.condition()[STYLE].tolist()
    there = set(zip(names, styles, strict=True))
    drawn = {names[row]: row for row in captioned(train)}
    new = [(row, style) for name, row in drawn.items() for style in sorted({*styles}) if (name, style) not in there]
    chosen = [new[place] for place in spread(list(range(len(new))), num)]
    asked = Condition(train.condition([row for row, _ in chosen]))
    return asked.replace(style=torch.tensor([style for _, style in chosen]))


def generated(prior: Prior, asked: Condition, scale: float) -> Tensor:
    """Pictures (n, C, H, W) uint8 by the prior's own recipe at a scale."""
    recipe = prior.recipe.replace(guidance=ConstantGuidance(scale))
    assert prior.network.conditioner is not None
    told = asked.keep(prior.network.conditioner.names)
    return sampled(prior, told, len(told), recipe)


if __name__ == "__main__":
    main()
