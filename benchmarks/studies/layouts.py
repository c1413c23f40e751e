"""Layouts and painting with words: whether what stands in a box is what it was asked for, on canvases made here.

Boxes: two or three shapes, of three kinds in three greys, stand in the quarters of a canvas of 8x8 cells, one cell off
at random; what stands in a box is read by comparison with the nine clean shapes and with nothing. Painting: the halves
of a canvas of 4x4 cells have two greys, and the text says which, but not where; a half is read by its most frequent
token. Two small priors are trained, one told the boxes and one the text, for so many seconds each. Figures are shares
of boxes. Then what either adds to an evaluation of a network of about 3 M parameters on 8x8 tokens, as the median of
alternating rounds; `--seconds 0` has only that.

    python benchmarks/studies/layouts.py --seconds 180
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from itertools import count
from statistics import median

import torch
from torch import Tensor

import lightgen.denoiser
from lightgen.condition import Condition
from lightgen.conditioners import Boxes, ClassLabel, Mixed, Text
from lightgen.conditioners.base import Conditioner
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.layout import Layout
from lightgen.modules.prior import conditioned
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import MaskGIT as MaskGITProcess
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.text_encoders import WordPieces
from lightgen.tokenizers import PixelTokenizer
from lightgen.warps import Warps

SIZE, SHAPE, QUARTER, HALF, PER_BATCH = 8, 3, 4, 2, 32
GREYS, KINDS = {"dark": 80, "pale": 160, "white": 255}, ("block", "cross", "plus")
NAMES = [f"{grey} {kind}" for grey in GREYS for kind in KINDS]
ROUNDS, CALLS = 15, 3
Batch = tuple[Tensor, Condition, Tensor, Tensor]
"""Ids, condition, (B, 3) classes, and (B, 3, 4) corners in cells, those of 0 for nothing."""


def shapes() -> Tensor:
    """(9, 3, 3) ids of the clean shapes, in the order of their names."""
    block = torch.ones(SHAPE, SHAPE, dtype=torch.long)
    cross = torch.tensor([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    plus = torch.tensor([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    return torch.stack([value * mask for value in GREYS.values() for mask in (block, cross, plus)])


CLEAN = shapes()


def canvases(seed: int, num: int) -> Batch:
    """Canvases, and what is said of them."""
    noise = Noise.of(seed, num)
    quarters = noise.integers(0, 0, 4, 1 << 20).argsort(1)[:, :3]
    classes = noise.integers(1, 0, len(NAMES), 1 << 20).argsort(1)[:, :3]
    shift = noise.integers(2, 0, 6, 2).view(num, 3, 2)
    there = torch.ones(num, 3, dtype=torch.bool)
    there[:, 2] = noise.integers(3, 0, 1, 2)[:, 0].bool()
    ids = torch.zeros(num, SIZE, SIZE, dtype=torch.long)
    corners = torch.zeros(num, 3, 4)
    for row in range(num):
        for place in range(int(there[row].sum())):
            quarter = int(quarters[row, place])
            y = quarter // 2 * QUARTER + int(shift[row, place, 0])
            x = quarter % 2 * QUARTER + int(shift[row, place, 1])
            ids[row, y : y + SHAPE, x : x + SHAPE] = CLEAN[classes[row, place]]
            corners[row, place] = torch.tensor([x, y, x + SHAPE, y + SHAPE])
    boxes = torch.cat([classes.unsqueeze(-1) * there.unsqueeze(-1), corners / SIZE], -1)
    return ids.flatten(1), Condition({"boxes": boxes}), classes, corners


def prior_of(conditioner: Conditioner, size: int) -> Prior:
    torch.manual_seed(0)
    process = MaskGITProcess(256)
    network = Transformer(process.interface(Layout((size, size), 256), conditioner), dim=48, depth=4, heads=4,
                          dim_head=12, positions="learned")  # fmt: skip
    conditioner.learn([f"{name} and" for name in GREYS])
    recipe = Recipe(MaskGIT(16, choice_temperature=2.0), Warps(temperature=0.7))
    return Prior(PixelTokenizer(size), network, process, recipe)


@torch.enable_grad()
def train(prior: Prior, seconds: float, batch: Callable[[int], tuple[Tensor, Condition]]) -> None:
    optimizer = torch.optim.AdamW(prior.network.parameters(), lr=3e-3)
    prior.network.train()
    start = time.perf_counter()
    mean = 0.0
    for step in count():
        elapsed = time.perf_counter() - start
        if elapsed > seconds:
            break
        optimizer.param_groups[0]["lr"] = 3e-3 * min(1.0, (step + 1) / 50) * max(0.02, 1 - elapsed / seconds)
        ids, condition = batch(step)
        noise = Noise.of(step, len(ids))
        assert prior.network.conditioner is not None
        told = prior.network.conditioner.hide(condition, noise)
        loss = prior.process.loss(conditioned(prior, told), ids, noise).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(prior.network.parameters(), 1.0)
        optimizer.step()
        mean = loss.item() if step == 0 else 0.98 * mean + 0.02 * loss.item()
        if step % 200 == 0:
            print(f"  step {step}, loss {mean:.3f}, {elapsed:.0f} s", flush=True)
    print(f"  step {step}, loss {mean:.3f}, {seconds:.0f} s", flush=True)
    prior.eval()


def read_box(ids: Tensor, corners: Tensor) -> int:
    """The class of the shape nearest to what stands in a box; -1 where that is nothing."""
    x, y = int(corners[0]), int(corners[1])
    found = ids.view(SIZE, SIZE)[y : y + SHAPE, x : x + SHAPE]
    agreement = torch.cat([(found == CLEAN).flatten(1).sum(1), (found == 0).sum().view(1)])
    best = int(agreement.argmax())
    return best if best < len(NAMES) else -1


def share(hits: list[bool]) -> str:
    mean, num = sum(hits) / len(hits), len(hits)
    return f"{mean:.3f} ± {2 * (mean * (1 - mean) / num) ** 0.5:.3f} of {num}"


@torch.no_grad()
def boxes(seconds: float, num: int) -> None:
    print("boxes:")
    prior = prior_of(Boxes(len(NAMES), max_boxes=3, bins=SIZE), SIZE)
    train(prior, seconds, lambda step: canvases(step, PER_BATCH)[:2])
    _, condition, classes, corners = canvases(1 << 30, num)
    there = [(row, place) for row in range(num) for place in range(3) if corners[row, place, 2] > 0]
    for name, told in (("its boxes", condition), ("another's", condition.select(torch.arange(num).roll(1)))):
        ids = prior.sample_ids(Noise.of(7, num), condition=told).ids
        read = {at: read_box(ids[at[0]], corners[at]) for at in there}
        own = [read[at] == int(classes[at]) for at in there]
        others = [read[row, place] == int(classes[row, 1 - min(place, 1)]) for row, place in there]
        print(f"  told {name}: in a box stands its class {share(own)}; that of another box {share(others)}")


def halves(seed: int, num: int) -> tuple[Tensor, list[tuple[str, str]], list[list[int]]]:
    """Ids (n, 16) of canvases with two greys, what these are called, and in which half each is: 0 is the left one."""
    noise, names = Noise.of(seed, num), list(GREYS)
    order = noise.integers(0, 0, 1, 2)
    classes = noise.integers(1, 0, len(GREYS), 1 << 20).argsort(1)[:, :2]
    values = torch.tensor(list(GREYS.values()))[classes]
    sides = torch.where(order == 1, values.flip(1), values)
    ids = sides.repeat_interleave(HALF, 1).repeat(1, 2 * HALF)
    return ids, [(names[a], names[b]) for a, b in classes.tolist()], torch.cat([order, 1 - order], 1).tolist()


def texts(pairs: list[tuple[str, str]]) -> list[str]:
    return [f"{a} and {b}" for a, b in pairs]


def told_texts(step: int) -> tuple[Tensor, Condition]:
    ids, pairs, _ = halves(step, PER_BATCH)
    return ids, Condition({"caption": torch.from_numpy(to_bytes(texts(pairs)))})


@torch.no_grad()
def painting(seconds: float, num: int) -> None:
    print("painting with words:")
    prior = prior_of(Text(WordPieces(num_pieces=300, max_length=4, dim=32, depth=0)), 2 * HALF)
    train(prior, seconds, told_texts)
    _, pairs, sides = halves(1 << 30, num)
    layouts = [[{"text": name, "box": [side / 2, 0, (side + 1) / 2, 1]} for name, side in zip(pair, both, strict=True)]
               for pair, both in zip(pairs, sides, strict=True)]  # fmt: skip
    usual = lightgen.denoiser.PAINTING
    for strength in (None, 0.1 * usual, usual):
        told = prior.condition(num_images=num, text=texts(pairs), layout=None if strength is None else layouts)
        lightgen.denoiser.PAINTING = strength or usual
        ids = prior.sample_ids(Noise.of(7, num), condition=told).ids.view(num, 2 * HALF, 2, HALF)
        lightgen.denoiser.PAINTING = usual
        read = ids.transpose(1, 2).flatten(2).mode().values.tolist()
        wanted = [[GREYS[name] for name in pair] for pair in pairs]
        own, others = ([read[i][sides[i][k]] == wanted[i][k ^ other] for i in range(num) for k in range(2)]
                       for other in range(2))  # fmt: skip
        name = "no map" if strength is None else f"w0 = {strength:g}"
        print(f"  {name}: where it is painted stands its grey {share(own)}; the other one {share(others)}", flush=True)


def step(conditioner: Conditioner, asked: Condition, num: int, strength: float | None = None) -> Callable[[], Tensor]:
    """An evaluation of a network that knows the context already, which is worked out once a batch."""
    torch.manual_seed(0)
    process = MaskGITProcess(1024)
    network = Transformer(process.interface(Layout((8, 8), 1024), conditioner), dim=176, depth=6, heads=4, dim_head=44,
                          positions="learned")  # fmt: skip
    context = network.eval().context(asked, num)
    if context is not None and strength is not None:
        context = context._replace(strength=torch.full((num,), strength))
    return partial(network, torch.randint(1024, (num, 64)), None, context)


def seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return time.perf_counter() - start


@torch.no_grad()
def cost(num: int) -> None:
    print(f"an evaluation at batch {num}, over the same one without:")
    label = torch.zeros(num, dtype=torch.long)
    captions = torch.from_numpy(to_bytes(["dark and pale"] * num))
    rows = torch.tensor([[0, 0, 0, 0.5, 1], [1, 0.5, 0, 1, 1]]).expand(num, -1, -1)
    one, several = Condition({"label": label}), Condition({"label": label, "boxes": rows})
    text, encoder = Condition({"label": label, "caption": captions}), WordPieces()
    encoder.learn(["dark and pale"])
    painted = text.replace(painted=torch.rand(num, 64, encoder.max_length))
    classes, both, words = ClassLabel(10), Mixed([ClassLabel(10), Boxes(9)]), Mixed([ClassLabel(10), Text(encoder)])
    for name, without, told in (
        ("boxes", step(classes, one, num), step(both, several, num)),
        ("boxes, of which none is given", step(classes, one, num), step(both, one, num)),
        ("painting, by a text that is there already", step(words, text, num), step(words, painted, num, 1.0)),
        ("painting, where it is off", step(words, text, num), step(words, text, num)),
    ):
        for call in (without, told):
            call()
        ratios = [seconds(told) / seconds(without) for _ in range(ROUNDS)]
        print(f"  {name}: {median(ratios) - 1:+.1%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180, help="of the training of each prior")
    parser.add_argument("--num", type=int, default=200, help="canvases that are sampled")
    arguments = parser.parse_args()
    if arguments.seconds > 0:
        boxes(arguments.seconds, arguments.num)
        painting(arguments.seconds, arguments.num)
    cost(8)


if __name__ == "__main__":
    main()
