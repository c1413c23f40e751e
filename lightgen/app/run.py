"""Pictures on their way: step by step, stopped and gone on with, looked at again, and written with their settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from PIL import Image
from torch import Tensor

from lightgen.app.wish import Wish, checked
from lightgen.asking import NEGATIVE_TEXT
from lightgen.assembly import Beginning
from lightgen.figures import enlarged, grid, save_png
from lightgen.functional.pictures import to_pil
from lightgen.functional.random import Noise
from lightgen.inpainting import KnownRegion
from lightgen.layout import Layout
from lightgen.prior import Prior
from lightgen.reranking import BestOf, texts
from lightgen.settings import INPAINT

HOT = torch.tensor([255.0, 80.0, 0.0])
"""The colour of a token that the network is not sure of."""
STRENGTH = 0.75


@dataclass(frozen=True)
class Frame:
    """How things stood after a step."""

    ids: Tensor
    """(B, N), of all draws."""
    confidence: Tensor
    """(B, N) in [0, 1]: see `Iteration.confidence`."""
    evaluations: float
    """Network evaluations of a picture so far, on average."""


class Run:
    """One press of the button.

    Args:
        prior: what makes the pictures.
        wish: what is asked for.
        known: what is known of a picture that is painted or continued; None makes new ones.
        composite: whether known pixels are put back.
        best_of: how one of several draws is chosen of each picture; until it is, the first of them is shown.
        more: settings besides.

    Raises:
        ValueError: if the prior cannot do it.
    """

    def __init__(
        self,
        prior: Prior,
        wish: Wish,
        known: KnownRegion | None = None,
        composite: bool = False,
        best_of: BestOf | None = None,
        **more: Any,
    ) -> None:
        num, told = wish.num_images, checked(wish.told, prior)
        recipe = wish.recipe(prior)
        self.prior, self.known, self.composite, self.best_of = prior, known, composite, best_of
        self.caption = ", ".join(str(wish.told[name]) for name in told if name != NEGATIVE_TEXT)
        self.canvas = None if known is None else known.canvas
        choice = {} if best_of is None else {"best_of": best_of.num, "judge": best_of.judge}
        asked = {"label": None, **told, **choice}
        self.settings = prior.settings(recipe, num, wish.seed, canvas=self.canvas, **asked)
        if known is not None:
            more |= {"command": INPAINT, "composite": composite}
        self.settings = [{**one, "ckpt_path": wish.prior, **more} for one in self.settings]
        noise = Noise(wish.seed, torch.arange(num, device=prior.device))
        begun = Beginning() if known is None else known.begin(prior, noise)
        away = prior.negative(told.pop(NEGATIVE_TEXT, None), num, recipe)
        if known is not None and not told:
            condition = prior.unconditional(num)
        else:
            condition = prior.condition(num_images=num, **told)
        self.shown = torch.arange(num)
        if best_of is not None:
            noise, condition, away = best_of.begin(prior.completed, noise, condition, away)
            self.shown = self.shown * best_of.num
            texts(condition, prior.categories)
        self.condition = condition
        how = (begun.ids, begun.known, self.canvas, away)
        self.iteration = prior.iterate(noise, recipe, condition, *how, watch=True)
        self.num_steps = self.iteration.num_steps
        self.frames = [self._frame()]
        self.stopped = self.finished = False

    def steps(self) -> Iterator[Frame]:
        """Go on until the end, or until `stopped` is set."""
        self.stopped = False
        while not self.stopped:
            if next(self.iteration, None) is None:
                self._finish()
                return
            self.frames.append(self._frame())
            yield self.frames[-1]

    def picture(self, step: int, heat: bool = False) -> Image.Image:
        """What there was after a step, on one sheet.

        Args:
            step: from 0 (all noise) on; beyond the last one, the last.
            heat: whether tokens glow that the network is not sure of.
        """
        frame = self.frames[max(0, min(step, len(self.frames) - 1))]
        images = self._decoded(frame.ids[self.shown])
        if heat:
            images = glowing(images, frame.confidence[self.shown], self.prior.layout(self.canvas))
        return to_pil(grid(enlarged(images))[None])[0]

    def described(self, step: int) -> str:
        """A line about a step."""
        step = max(0, min(step, len(self.frames) - 1))
        frame = self.frames[step]
        said = f"step {step} of {self.num_steps}, {frame.evaluations:.4g} network evaluations"
        if step > 0:
            said += f", confidence {frame.confidence.mean():.0%}"
        if self.best_of is not None:
            said += f", {'the best' if self.finished else 'the first'} of {self.best_of.num} draws each"
        last = step == len(self.frames) - 1
        return said + (", stopped" if last and self.stopped else ", done" if last and self.finished else "")

    def save(self, folder: Path) -> list[tuple[str, str]]:
        """Write the pictures as they are now, with their settings; their paths and captions."""
        images, found = self._decoded(self.frames[-1].ids[self.shown]), []
        for image, settings in zip(images, self.settings, strict=True):
            sampler, seed, index = settings["sampler"]["name"], settings["seed"], settings["index"]
            path = folder / uuid4().hex / f"{sampler}-seed-{seed}-{index}.png"
            save_png(image, path, settings)
            caption = f"{sampler}, seed {seed}, picture {index}"
            found.append((str(path), f"{self.caption}: {caption}" if self.caption else caption))
        return found

    def _finish(self) -> None:
        self.finished = True
        if self.best_of is not None:
            images = self.prior.decode(self.frames[-1].ids.to(self.prior.device), self.canvas)
            self.shown = self.best_of.best(images, self.condition, self.prior.categories).cpu()

    def _frame(self) -> Frame:
        at = self.iteration
        assert at.confidence is not None
        evaluations = float(at.evaluations.float().mean()) * (1 if self.best_of is None else self.best_of.num)
        return Frame(at.ids.cpu(), at.confidence.cpu(), evaluations)

    def _decoded(self, ids: Tensor) -> Tensor:
        images = self.prior.decode(ids.to(self.prior.device), self.canvas).cpu()
        return self.known.composite(images) if self.known is not None and self.composite else images


def glowing(images: Tensor, confidence: Tensor, layout: Layout) -> Tensor:
    """uint8 images (B, 3, H, W) with a colour over the cells that the network is not sure of.

    Args:
        images: uint8 (B, C, H, W), C 1 or 3.
        confidence: (B, N) in [0, 1].
        layout: of the tokens; where they stand on no grid, the whole picture glows.
    """
    cells = confidence.unflatten(1, (-1, layout.num_codes)).mean(-1)
    cells = cells.unflatten(1, layout.grid) if layout.is_grid else cells.mean(1)[:, None, None]
    for axis in (1, 2):
        cells = cells.repeat_interleave(images.shape[axis + 1] // cells.shape[axis], axis)
    share = STRENGTH * (1 - cells).unsqueeze(1)
    return torch.lerp(images.float().expand(-1, 3, -1, -1), HOT.view(3, 1, 1), share).byte()
