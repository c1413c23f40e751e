"""The priors that a page offers, and its judge; it loads no other, whoever asks."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any

import torch

from lightgen.checkpoint import load, load_scorer
from lightgen.pretrained import priors
from lightgen.prior import Prior
from lightgen.registry import suggestion
from lightgen.reranking import BestOf, chosen_by


class Shelf:
    """Priors by the names that `lightgen.load` takes, loaded once each, when first asked for.

    Args:
        paths: of checkpoints; those of the zoo stand behind them.
        device: where pictures are made.
        judge: the checkpoint of a scorer, which chooses among several draws; None offers no choice.

    Raises:
        ValueError: if one of the paths is not a prior's, or the judge no scorer.
    """

    def __init__(self, paths: Sequence[str] = (), device: torch.device | str = "cpu", judge: str | None = None) -> None:
        self.device, self.judge = device, judge
        self._scorer = None if judge is None else load_scorer(judge)
        self.names = [*dict.fromkeys([*paths, *priors()])]
        self._loaded: dict[str, Prior] = {}
        self._lock = Lock()
        for path in paths:
            self.prior(path)

    def best_of(self, num: int) -> BestOf | None:
        """The judge's choice among so many draws of each picture; None for one.

        Raises:
            ValueError: if there is no judge.
        """
        if num > 1 and self._scorer is None:
            raise ValueError("this page has no judge that chooses among draws; `lightgen app --judge P` gives it one")
        return None if num == 1 else chosen_by(num, self._scorer)

    def prior(self, name: Any) -> Prior:
        """A prior.

        Raises:
            ValueError: if it is not offered, in one line that says how to offer it.
        """
        if name not in self.names:
            near = suggestion(str(name), self.names, f"; `lightgen app --ckpt_path {name}` offers it")
            raise ValueError(f"this page does not offer {name}{near}")
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load(name, "prior").to(self.device)
            return self._loaded[name]
