"""The demo's report: a figure, a picture and a page that says how every number came about."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from lightgen.bench.scoring import Scoring
from lightgen.data.base import ImageData
from lightgen.figures import save_curve
from lightgen.functional.files import atomic, save_text
from lightgen.prior import Prior
from lightgen.provenance import provenance
from lightgen.registry import describe


class Report:
    """Writes `curve.png`, `samples.png` and `report.md` from the scores of a prior.

    Args:
        out: the folder, which holds `pictures/S-steps.png` for each step count S.
        prior: what was sampled.
        data: what it learned from.
        scoring: holds a row for each step count and for the three that they are compared with.
        step_counts: S.
    """

    GOOD: ClassVar[str] = "training pictures"
    TOKENIZER: ClassVar[str] = "training pictures, reconstructed"
    BAD: ClassVar[str] = "independent tokens"

    psnr: float = float("nan")
    """Of held-out reconstructions, in dB."""

    def __init__(self, out: Path, prior: Prior, data: ImageData, scoring: Scoring, step_counts: Sequence[int]) -> None:
        self.out, self.prior, self.data, self.scoring, self.step_counts = out, prior, data, scoring, step_counts
        self.kid = f"KID({scoring.network.name})"
        self.fd = f"FD({scoring.network.name})"

    def relative(self, row: dict[str, float]) -> float:
        """A row's KID as a share of the bad end's."""
        return row[self.kid] / self.scoring.rows[self.BAD][self.kid]

    def write(self) -> None:
        """Write the three files."""
        rows = self.scoring.rows
        scores = [rows[str(s)][self.kid] for s in self.step_counts]
        lines = {name: rows[name][self.kid] for name in (self.BAD, self.TOKENIZER, self.GOOD)}
        title = "SUNDAE on emoji: distance to held-out pictures, lower is better"
        save_curve(self.step_counts, scores, self.out / "curve.png", self.kid, title, lines)
        best = min(self.step_counts, key=lambda s: rows[str(s)][self.kid])
        with atomic(self.out / "samples.png") as temporary:
            shutil.copyfile(self.out / "pictures" / f"{best}-steps.png", temporary)
        save_text(self._page(best), self.out / "report.md")

    def _page(self, best: int) -> str:
        names = [self.BAD, *map(str, self.step_counts), self.TOKENIZER, self.GOOD]
        table = "\n".join(self._line(name) for name in names)
        row, n = self.scoring.rows[str(best)], len(self.scoring.reference)
        made = "\n".join(f"- {key}: {value}" for key, value in provenance().items())
        return f"""\
# Emoji by SUNDAE

![samples](samples.png)

{int(row["num_images"])} pictures in {best} steps, the best of the step counts below: their {self.kid} is
{self.relative(row):.2f} of that of pictures from independent tokens. Nothing was picked by hand.

![curve](curve.png)

| pictures | evaluations | ms each | {self.kid} ± s.e. | of bad end | {self.fd} | P | R | density | coverage |
|---|---|---|---|---|---|---|---|---|---|
{table}

- *{self.BAD}*, the bad end: every token drawn from how often it stands at its position, then decoded.
- *{self.TOKENIZER}*: what the tokenizer alone costs.
- *{self.GOOD}*, the good end: real pictures, which a perfect generator would equal.
- P, R: precision and recall.

Held-out pictures keep {self.psnr:.1f} dB PSNR through the tokenizer (top of each pair: original):

![reconstructions](reconstructions.png)

## How the numbers came about

- reference: {n} held-out pictures of {type(self.data).__name__} (fingerprint {self.data.fingerprint}), resized with
  {self.data.resize}, pixels rounded to uint8
- features: {self.scoring.network.name}, pictures {self.scoring.network.resize}
- sampler: {describe(self.prior.sampler)["name"]} {describe(self.prior.sampler)["arguments"]}, its steps as in the table
- warps: {describe(self.prior.warps)["arguments"]}
- seed 0, pictures 0 to {int(row["num_images"]) - 1}; neighbours in precision to coverage: 3
{made}

With {int(row["num_images"])} pictures, differences of about two standard errors (s.e.) mean nothing. FD grows as sets
get smaller and is comparable only within this table.
"""

    def _line(self, name: str) -> str:
        row = self.scoring.rows[name]
        steps = name.isdigit()
        label = f"SUNDAE, {name} steps" if steps else f"*{name}*"
        evaluations = f"{row['evaluations']:.1f}" if steps else ""
        time = f"{1000 * row['seconds'] / row['num_images']:.0f}" if steps else ""
        error = row[f"{self.kid} standard error"]
        rest = (f"{row[key]:.2f}" for key in ("precision", "recall", "density", "coverage"))
        return (
            f"| {label} | {evaluations} | {time} | {row[self.kid]:.4f} ± {error:.4f} | {self.relative(row):.2f} "
            f"| {row[self.fd]:.1f} | {' | '.join(rest)} |"
        )
