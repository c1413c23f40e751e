"""`lightgen export`: a checkpoint as a folder that other tools can read, or as a file that another project can."""

from __future__ import annotations

from pathlib import Path

from lightgen.checkpoint import export, load, write
from lightgen.cli.plain import PlainParser
from lightgen.importers.base import importers


def parser() -> PlainParser:
    """The arguments of `lightgen export`."""
    made = PlainParser(prog="lightgen export", description=main.__doc__)
    made.add_argument("--ckpt_path", type=Path, required=True, help="checkpoint of a tokenizer, a prior or a scorer")
    made.add_argument(
        "--out", type=Path, default=None,
        help="folder; --ckpt_path and lightgen.load take it; default: exported/NAME, of the model or its run",
    )  # fmt: skip
    made.add_argument("--half", action="store_true", help="keep float32 weights in float16: half the size")
    made.add_argument(
        "--tokenizer", type=Path,
        help="leave out the weights of a prior's tokenizer: this folder, exported alike beside --out, has them",
    )  # fmt: skip
    made.add_argument(
        "--kind",
        help="write the prior's network as a file of a published kind, as `lightgen import` reads it: "
        "halton-maskgit, llamagen-gpt or llamagen-t2i; then --out is the file, by default NAME.pt",
    )
    return made


def main(args: list[str]) -> int:
    """Write what a checkpoint holds as model.safetensors and config.json, with averaged weights where it has them."""
    given = parser().parse_args(args[1:])
    out = given.out or default_out(given.ckpt_path)
    if out.resolve() == given.ckpt_path.resolve():
        raise ValueError(f"{out} is what would be exported; name another folder with --out")
    if given.kind is not None:
        if given.tokenizer is not None:
            raise ValueError("--tokenizer goes with folders of lightgen's; a file of a published kind has no tokenizer")
        return _as_published(given.kind, given.ckpt_path, out.with_suffix(out.suffix or ".pt"), given.half)
    component = export(given.ckpt_path, out, given.half, given.tokenizer)
    print(f"{component.kind} with {len(component.state_dict())} tensors: {out}")
    return 0


def default_out(checkpoint: Path) -> Path:
    """exported/NAME, so that no two models overwrite one another: the folder of a last.ckpt names it."""
    path = Path(str(checkpoint).removeprefix("zoo:"))
    return Path("exported") / (path.resolve().parent.name if path.name == "last.ckpt" else path.stem)


def _as_published(kind: str, checkpoint: Path, out: Path, half: bool) -> int:
    if half:
        raise ValueError("--half writes a folder of lightgen's; a file of a published kind is as it was, bit for bit")
    known = importers()
    if kind not in known:
        raise ValueError(f"--kind must be one of {', '.join(known)}, not {kind}")
    prior = load(checkpoint, "prior")
    contents = known[kind].exported(prior)
    if contents is None:
        network = type(prior.network).__name__
        raise ValueError(f"{checkpoint} cannot be written as {kind}: its network is {network}, or it has no classes")
    write(contents, out)
    print(f"network of the prior as {kind}: {out}")
    return 0
