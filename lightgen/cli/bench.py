"""`lightgen bench`: samplers at budgets of network evaluations, tuned and compared."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

from lightning.pytorch import Trainer

from lightgen.bench.compare import compare
from lightgen.bench.curves import save_curves
from lightgen.bench.measure import BITS, FULL_PRECISION, Laboratory, Task
from lightgen.bench.page import page
from lightgen.bench.plan import Entry, Plan, carry_out
from lightgen.bench.results import chosen, ends, results
from lightgen.bench.rows import SUITE, Row, Rows, read
from lightgen.bench.sheet import save_cell, save_sheet
from lightgen.bench.suite import Setting, Suite
from lightgen.bench.table import markdown
from lightgen.cli.configs import SUITES, with_located_configs
from lightgen.cli.output import set_up_output
from lightgen.cli.parser import Parser
from lightgen.cli.plain import PlainParser
from lightgen.cli.progress import progress_bar
from lightgen.cli.sampling import TRAINER_DEFAULTS
from lightgen.functional.files import save_text
from lightgen.registry import discover

TOLERANCE = 1e-6
PICTURES = "pictures"


def parser() -> Parser:
    """The arguments of `lightgen bench`."""
    made = Parser(
        prog="lightgen bench",
        description="Tune and compare samplers at equal numbers of network evaluations. Also: `lightgen bench compare "
        "A B` says which results of two folders differ, `lightgen bench replay DIR ROW` makes a figure again, "
        "`lightgen bench page DIR` writes the tables and figures of a folder again.",
    )
    made.add_argument("--config", action="config", help="a suite, e.g. emoji64.yaml or smoke.yaml")
    made.add_argument("--out", type=Path, required=True, help="folder of results; called again, it goes on")
    made.add_argument("--shard", type=str | None, default=None, help="i/n: the i-th of n processes that share the work")
    made.add_class_arguments(Suite, None)
    made.add_class_arguments(Trainer, "trainer", instantiate=False)
    made.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    return made


def main(args: list[str]) -> int:
    """Run a suite, or do something with the results of one."""
    if args[1:2] and args[1] in WITH_RESULTS:
        return WITH_RESULTS[args[1]](args[2:])
    made = parser()
    arguments = with_located_configs(args[1:], SUITES)
    parsed = made.parse_args(arguments)
    shard = None if parsed.shard is None else parse_shard(parsed.shard)
    objects = made.instantiate_classes(parsed)
    names = [name for name in inspect.signature(Suite).parameters if name in objects]
    suite = Suite(**{name: objects[name] for name in names})
    run(suite, parsed.out, shard, Trainer(**objects.trainer))
    return 0


def run(suite: Suite, out: Path, shard: tuple[int, int] | None, trainer: Trainer) -> None:
    """Do what is left of a suite, then write table, curves, sheet and report."""
    laboratory = Laboratory.of(suite, trainer)
    plan = Plan(suite, laboratory)
    # Of several processes, one writes; the others only sample with it.
    store, identity = Rows(out, shard, writes=trainer.is_global_zero), plan.identity()
    with store.writing(identity):
        measure(plan, store, shard)
        if not store.writes:
            return
        store.rows = read(out)
        if missing := plan.missing(store.rows):
            print(
                f"{missing} of {len(plan.cells)} cells are left to other shards; the last to finish writes the report"
            )
            return
        write(out, store.rows, identity)


def measure(plan: Plan, store: Rows, shard: tuple[int, int] | None) -> None:
    """Measure what is not measured yet, with a progress bar and a line a measurement."""
    score = plan.suite.score
    with progress_bar("measuring", plan.work(store.rows, shard)) as advance:

        def do(entry: Entry) -> None:
            measured = plan.laboratory.measure(entry.task, lambda _, ids: advance(len(ids)))
            row = {**entry.marks(), **plan.laboratory.row(entry.task, measured)}
            if store.writes and len(measured.shown):
                save_cell(measured.shown, store.folder / PICTURES / f"{row['id']}.png")
            store.append(row)
            if store.writes:
                print(line(row, score, plan.suite.methods), flush=True)

        carry_out(plan, shard, store.rows, do)


def line(row: Row, score: str, methods: dict[str, Any]) -> str:
    """What is said of a measurement."""
    if row["role"] == "likelihood":
        return f"{row['method']}: {row['scores'][BITS]:.3f} {BITS}"
    value = f"{score} {row['scores'][score]:.4f}"
    if row["role"] == "end":
        return f"{row['method']}: {value}"
    setting = chosen(row, list(methods[row["method"]].grid))
    how = f", {setting}" if setting else ""
    return (
        f"{row['role']}: {row['method']} at {row['budget']}{how}, seed {row['seed']}: {value}, "
        f"{1000 * row['seconds']:.3g} ms a picture"
    )


def write(out: Path, rows: list[Row], identity: Row) -> None:
    """Write what people look at, and say where it is."""
    found = results(rows, list(identity["methods"]))
    score = identity["score"]
    lines = {name: row["scores"][score] for name, row in ends(rows, identity["priors"])}
    save_text(markdown(rows, identity), out / "table.md")
    save_curves(found, out / "curves.png", score, lines, identity["higher_is_better"])
    sheet = out / "sheet.png"
    if (out / PICTURES).is_dir():
        save_sheet(found, out / PICTURES, sheet)
    else:
        print(f"there is no {out / PICTURES}: {'the old sheet stays' if sheet.is_file() else 'no sheet of pictures'}")
    save_text(page(rows, identity, f"{out.name}: {score}", out / "curves.png", sheet), out / "report.html")
    print(f"Look at {out / 'report.html'}, or read {out / 'table.md'}.")


def main_compare(args: list[str]) -> int:
    """Say which results of two folders differ beyond their intervals."""
    made = PlainParser(prog="lightgen bench compare", description=main_compare.__doc__)
    made.add_argument("a", type=Path, help="a folder that `lightgen bench` wrote")
    made.add_argument("b", type=Path, help="another one")
    made.add_argument("--score", help="its name in the tables; default: the one that A was tuned by")
    parsed = made.parse_args(args)
    identities = [identity_of(folder) for folder in (parsed.a, parsed.b)]
    score = parsed.score or identities[0]["score"]
    found = [results(read(f), list(i["methods"])) for f, i in zip((parsed.a, parsed.b), identities, strict=True)]
    for name, some in zip((parsed.a, parsed.b), found, strict=True):
        if not some or score not in some[0].score_names:
            raise ValueError(f"{name} has no results of {score}")
    print("\n".join(compare(found[0], found[1], score)))
    return 0


def main_replay(args: list[str]) -> int:
    """Make one row of results again, from nothing but itself and the checkpoint, and compare the figures."""
    made = PlainParser(prog="lightgen bench replay", description=main_replay.__doc__)
    made.add_argument("folder", type=Path, help="a folder that `lightgen bench` wrote")
    made.add_argument("row", help="the number of a line, from 1 on, or the id of a measurement")
    parsed = made.parse_args(args)
    set_up_output()
    discover()
    rows = read(parsed.folder)
    if not rows:
        raise ValueError(f"{parsed.folder} is not a folder that `lightgen bench` wrote: it has no results")
    row = row_of(rows, parsed.row)
    # Rows had no precision when there was only one.
    trainer = Trainer(**TRAINER_DEFAULTS, precision=row.get("precision", FULL_PRECISION))  # type: ignore[arg-type]
    laboratory = Laboratory.again(row, trainer)
    setting = None if row["sampler"] is None else Setting(row["sampler"], row["warps"], row["guidance"])
    task = Task(row["source"], row["prior"], setting, row["seed"], row["num_images"])
    if laboratory.name(task) != row["id"]:
        raise ValueError(f"{row['prior']} or the pictures have changed since this row was measured")
    scores = laboratory.measure(task).scores
    # Relative where figures are above 1: a Frechet distance of a thousand has six digits before the others.
    worst = max(abs(scores[name] - value) / max(1.0, abs(value)) for name, value in row["scores"].items())
    for name, value in row["scores"].items():
        print(f"{name:<40} {value:.8f}  again {scores[name]:.8f}")
    print(f"largest difference {worst:.1e}")
    return int(worst > TOLERANCE)


def main_page(args: list[str]) -> int:
    """Write table, curves, sheet and report of a folder again, from its rows and the pictures that it has."""
    made = PlainParser(prog="lightgen bench page", description=main_page.__doc__)
    made.add_argument("folder", type=Path, help="a folder that `lightgen bench` wrote")
    folder = made.parse_args(args).folder
    identity, rows = identity_of(folder), read(folder)
    if not results(rows, list(identity["methods"])):
        raise ValueError(f"{folder} has no results yet")
    write(folder, rows, identity)
    return 0


WITH_RESULTS = {"compare": main_compare, "replay": main_replay, "page": main_page}
"""What is done with results that are there: `lightgen bench NAME`."""


def identity_of(folder: Path) -> Row:
    """The suite that a folder's results are of.

    Raises:
        ValueError: if it holds none.
    """
    path = folder / SUITE
    if not path.is_file():
        raise ValueError(f"{folder} is not a folder that `lightgen bench` wrote: it has no {SUITE}")
    identity: Row = json.loads(path.read_text())
    return identity


def row_of(rows: list[Row], name: str) -> Row:
    """A row by its number from 1 on, or by its id.

    Raises:
        ValueError: if there is none.
    """
    if found := [row for row in rows if row["id"] == name]:
        return found[0]
    if name.isdigit() and 1 <= int(name) <= len(rows):
        return rows[int(name) - 1]
    raise ValueError(f"there is no row {name}; there are numbers from 1 to {len(rows)}, and ids")


def parse_shard(text: str) -> tuple[int, int]:
    """i/n.

    Raises:
        ValueError: if the text is anything else.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise ValueError(f"shard must be i/n with i from 1 to n, e.g. 2/3, not {text}")
    return int(match[1]), int(match[2])
