"""A suite of prompts by category: how often a judge finds the prompt of a picture among all, and what best-of-n adds.

    python benchmarks/studies/prompts.py runs/icons64-absorbing/last.ckpt --judge runs/icons64-scorer/last.ckpt \
        --reranker runs/other-scorer/last.ckpt

Pictures are drawn by the prior's own recipe, so many of each prompt, and the reranker, another scorer than the judge,
keeps the best of 1, 2, 4, 8 of them, in groups without one in common: so every figure is of the same pictures. Chance
is what the judge says of prompts that were shuffled. Its own figure is that of real pictures of these prompts that it
has not seen in training, as many as there are. ± is twice the standard error over prompts.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import yaml
from priors import batches, sampled
from torch import Tensor
from trained_on import pictures_at, pictures_of

from lightgen.bench.judges import Judges
from lightgen.checkpoint import load
from lightgen.functional.text import to_bytes, to_texts
from lightgen.prior import Prior
from lightgen.scorers.base import Scorer

SUITE = Path(__file__).with_suffix(".yaml")


def main(arguments: list[str] | None = None) -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("prior")
    made.add_argument("--judge", required=True, help="a scorer's checkpoint, or a CLIP folder")
    made.add_argument("--reranker", required=True, help="another one")
    made.add_argument("--suite", type=Path, default=SUITE, help="a YAML file of prompts by category")
    made.add_argument("--draws", type=int, default=8, help="pictures of each prompt, a power of 2")
    made.add_argument("--root", help="the judge's folder of pictures, where it is not where it was trained")
    given = made.parse_args(arguments)
    judges, suite = Judges(), read(given.suite)
    try:
        judges.reranking(given.draws, given.reranker, given.judge)
    except ValueError as error:
        raise SystemExit(f"prompts.py: {error}") from None
    prior, judge, reranker = load(given.prior, "prior"), judges[given.judge], judges[given.reranker]
    prompts = [prompt for of_category in suite.values() for prompt in of_category]
    said, own = torch.from_numpy(to_bytes(prompts)), torch.arange(len(prompts)).repeat_interleave(given.draws)
    sizes = [2**power for power in range(given.draws.bit_length()) if 2**power <= given.draws]
    columns = [f"best of {size}" if size > 1 else "generated" for size in sizes]
    print(f"{prior}, {given.draws} pictures of each of {len(prompts)} prompts\n")
    print(f"| category | prompts | real, number | {' | '.join(columns)} | shuffled |\n|{'---|' * (len(columns) + 4)}")
    shown = drawn(prior, prompts, given.draws)
    nearest, liked = (
        found(judge, shown, said),
        torch.cat([reranker(pictures, said[number]) for pictures, number in batches(shown, own)]).view(-1, given.draws),
    )
    right = (nearest == own).view(-1, given.draws)
    real, real_own = real_pictures(given.judge, given.root, prompts)
    real_right = found(judge, real, said) == real_own
    turned = torch.randperm(len(prompts), generator=torch.Generator().manual_seed(0))
    scores = [best_of(right, liked, size) for size in sizes]
    scores.append((nearest == turned[own]).view(-1, given.draws).float().mean(1))

    def line(category: str, first: int, num: int) -> None:
        there = (first <= real_own) & (real_own < first + num)
        of_real = f"{real_right[there].float().mean():.3f} of {int(there.sum())}" if there.any() else ""
        cells = [with_error(score[first : first + num]) for score in scores]
        print(f"| {category} | {num} | {of_real} | {' | '.join(cells)} |", flush=True)

    first = 0
    for category, of_category in suite.items():
        line(category, first, len(of_category))
        first += len(of_category)
    line("all", 0, len(prompts))


def read(path: Path) -> dict[str, list[str]]:
    """Prompts by category.

    Raises:
        SystemExit: if a file is anything else, or a prompt is there twice.
    """
    suite = yaml.safe_load(path.read_text(encoding="utf-8"))
    told = list(suite.values()) if isinstance(suite, dict) else [None]
    if not all(isinstance(some, list) and some and all(isinstance(one, str) for one in some) for some in told):
        raise SystemExit(f"prompts.py: {path} must have a list of prompts for each category")
    prompts = [prompt for some in told for prompt in some]
    if twice := {prompt for prompt in prompts if prompts.count(prompt) > 1}:
        raise SystemExit(f"prompts.py: {path} has {min(twice)!r} twice, so that nobody can tell them apart")
    found: dict[str, list[str]] = suite
    return found


def drawn(prior: Prior, prompts: list[str], draws: int) -> Tensor:
    """Pictures (P n, C, H, W) uint8: so many of each prompt."""
    own = torch.arange(len(prompts)).repeat_interleave(draws)
    return sampled(prior, prior.condition(num_images=len(prompts), text=prompts).select(own), len(own))


@torch.no_grad()
def found(judge: Scorer, images: Tensor, said: Tensor) -> Tensor:
    """(n,) the prompt (P, L) that is nearest to each picture (n, C, H, W)."""
    texts = judge.embed_texts(said)
    nearest = [(judge.embed_images(pictures) @ texts.T).argmax(1) for (pictures,) in batches(images)]
    return torch.cat(nearest) if nearest else torch.empty(0, dtype=torch.long)


def best_of(right: Tensor, liked: Tensor, size: int) -> Tensor:
    """(P,) share of the groups of so many draws (P, n) of which the one that is liked most is right."""
    kept = liked.unflatten(1, (-1, size)).argmax(2, keepdim=True)
    return right.unflatten(1, (-1, size)).gather(2, kept).float().mean((1, 2))


def real_pictures(judge: str, root: str | None, prompts: list[str]) -> tuple[Tensor, Tensor]:
    """Pictures (n, C, H, W) that a judge did not learn from, whose caption is a prompt, and its number (n,)."""
    pictures, own = [torch.empty(0, 3, 1, 1, dtype=torch.uint8)], list[int]()
    try:
        data = pictures_of(judge, root)
    except (ValueError, TypeError):
        # A CLIP folder was trained on what nobody here has.
        return pictures[0], torch.tensor(own, dtype=torch.long)
    number = {prompt: i for i, prompt in enumerate(prompts)}
    for split in ("val", "test"):
        there = data.dataset(split)  # type: ignore[arg-type]
        captions = to_texts(there.condition()["caption"].numpy()) if len(there) else []
        rows = [row for row, caption in enumerate(captions) if caption in number]
        pictures += [pictures_at(there, rows)] if rows else []
        own += [number[captions[row]] for row in rows]
    return torch.cat(pictures[min(1, len(own)) :]), torch.tensor(own, dtype=torch.long)


def with_error(score: Tensor) -> str:
    """A mean, and twice its standard error."""
    error = f" ± {2 * score.std() / len(score) ** 0.5:.3f}" if len(score) > 1 else ""
    return f"{score.mean():.3f}{error}"


if __name__ == "__main__":
    main()
