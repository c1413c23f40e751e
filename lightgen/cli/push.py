"""`lightgen push`: a checkpoint on the Hugging Face Hub, or in a folder as it would be there."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from tempfile import TemporaryDirectory

from lightgen import hub
from lightgen.checkpoint import export
from lightgen.cli.plain import PlainParser
from lightgen.figures import save_png, sheet
from lightgen.functional.files import atomic, save_json
from lightgen.model_card import PICTURES, model_card
from lightgen.pretrained import CARD, located
from lightgen.prior import Prior


def parser() -> PlainParser:
    """The arguments of `lightgen push`."""
    made = PlainParser(prog="lightgen push", description=main.__doc__)
    made.add_argument("--ckpt_path", required=True, help="checkpoint of a tokenizer or of a prior")
    made.add_argument(
        "--to", required=True,
        help="hf:USER/NAME, a model of the Hugging Face Hub; or a folder, which then holds what the Hub would get",
    )  # fmt: skip
    made.add_argument(
        "--license", required=True, help="of the weights, by the Hub's word: apache-2.0, mit, cc-by-4.0 ..."
    )
    made.add_argument("--private", action="store_true", help="only you see the model; it can be made public on the Hub")
    made.add_argument("--half", action="store_true", help="keep float32 weights in float16: half the size")
    made.add_argument("--scores", type=Path, help="scores.json of `reconstruct` or another file of numbers by name")
    made.add_argument("--num_images", type=int, default=16, help="that the card shows of a prior (default: 16)")
    return made


def main(args: list[str]) -> int:
    """Publish weights, configuration and a card with pictures, scores and licence; `lightgen.load` takes its name."""
    given = parser().parse_args(args[1:])
    if given.num_images < 1:
        raise ValueError(f"--num_images must be at least 1, not {given.num_images}")
    scores = _scores(given.scores)
    if not given.to.startswith(hub.PREFIX):
        if given.private:
            raise ValueError("--private goes with --to hf:USER/NAME, not with a folder")
        if Path(given.to).resolve() == located(given.ckpt_path).resolve():
            raise ValueError(f"{given.to} is what would be published; name another folder with --to")
        _fill(Path(given.to), given, scores)
        print(f"as the Hub would have it: {given.to}")
        return 0
    with TemporaryDirectory() as folder:
        _fill(Path(folder), given, scores)
        address = hub.upload(Path(folder), given.to.removeprefix(hub.PREFIX), given.private)
    print(f"published: {address}; lightgen.load({given.to!r}) takes it")
    return 0


def _scores(path: Path | None) -> dict[str, float]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in found.items() if isinstance(value, (int, float))}
    except (OSError, ValueError, AttributeError):
        raise ValueError(f"--scores must name a JSON file of numbers by name, which {path} is not") from None


def _fill(folder: Path, given: Namespace, scores: dict[str, float]) -> None:
    component = export(given.ckpt_path, folder, given.half)
    card = located(given.ckpt_path) / CARD
    known = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
    if known:
        save_json(known, folder / CARD)
    if isinstance(component, Prior):
        images = component.sample(given.num_images)
        save_png(sheet(images, f"seed 0, {component.recipe}"), folder / PICTURES)
    page = model_card(component, given.to, given.license, scores or known.get("scores", {}), known.get("about"))
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(page, encoding="utf-8")
