"""`lightgen export`: a checkpoint as a folder that other tools can read."""

from __future__ import annotations

from pathlib import Path

from lightgen.checkpoint import export
from lightgen.cli.plain import PlainParser


def parser() -> PlainParser:
    """The arguments of `lightgen export`."""
    made = PlainParser(prog="lightgen export", description=main.__doc__)
    made.add_argument("--ckpt_path", type=Path, required=True, help="checkpoint of a tokenizer or of a prior")
    made.add_argument(
        "--out", type=Path, default=None,
        help="folder; --ckpt_path and lightgen.load take it; default: exported/NAME, of the model or its run",
    )  # fmt: skip
    made.add_argument("--half", action="store_true", help="keep float32 weights in float16: half the size")
    return made


def main(args: list[str]) -> int:
    """Write a tokenizer or a prior as model.safetensors and config.json, with averaged weights where it has them."""
    given = parser().parse_args(args[1:])
    out = given.out or default_out(given.ckpt_path)
    if out.resolve() == given.ckpt_path.resolve():
        raise ValueError(f"{out} is what would be exported; name another folder with --out")
    component = export(given.ckpt_path, out, given.half)
    print(f"{component.kind} with {len(component.state_dict())} tensors: {out}")
    return 0


def default_out(checkpoint: Path) -> Path:
    """exported/NAME, so that no two models overwrite one another: the folder of a last.ckpt names it."""
    path = Path(str(checkpoint).removeprefix("zoo:"))
    return Path("exported") / (path.resolve().parent.name if path.name == "last.ckpt" else path.stem)
