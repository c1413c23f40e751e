"""`lightgen import`: published weights as a checkpoint of lightgen."""

from __future__ import annotations

from pathlib import Path

from lightgen.checkpoint import save
from lightgen.cli.catalogue import summary
from lightgen.cli.parser import Parser
from lightgen.cli.plain import PlainParser
from lightgen.importers.base import importers
from lightgen.prior import Prior


def parser(kind: str | None = None) -> Parser:
    """The arguments of `lightgen import` for one kind of weights, or all that any kind takes."""
    known = importers()
    made = Parser(prog="lightgen import", description=main.__doc__)
    kinds = " ".join(f"{name}: {summary(importer.__doc__)}" for name, importer in known.items()).replace("%", "%%")
    made.add_argument("--kind", choices=list(known), required=True, help=f"{kinds} With --help, what one takes")
    made.add_argument("--weights", type=Path, required=True, help="the checkpoint, or its folder")
    made.add_argument("--out", type=Path, required=True, help="file to write, e.g. tokenizer.ckpt")
    added: set[str] = set()
    for importer in [known[kind]] if kind in known else known.values():
        added.update(made.add_class_arguments(importer, as_group=False, skip=set(added)))
    return made


def main(args: list[str]) -> int:
    """Read published weights and write what they are of as a checkpoint; nothing in a file is run."""
    first = PlainParser(prog="lightgen import", add_help=False)
    first.add_argument("--kind")
    made = parser(first.parse_known_args(args[1:])[0].kind)
    options = made.parse_args(args[1:]).as_dict()
    kind, weights, out = (options.pop(name) for name in ("kind", "weights", "out"))
    imported = importers()[kind](**options)(weights)
    component = imported.component
    save(component, out, origin={"kind": kind, "file": weights.name})
    for note in imported.notes:
        print(note)
    tokenizer = component.tokenizer if isinstance(component, Prior) else component
    layout = tokenizer.layout
    cells = "x".join(map(str, layout.cells + ((layout.num_codes,) if layout.num_codes > 1 else ())))
    print(f"{type(component).__name__} of {layout.vocab_size} codes, {cells} tokens a picture: {out}")
    return 0
