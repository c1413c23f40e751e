"""`lightgen bench`: samplers at budgets of network evaluations, tuned and compared."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from shutil import get_terminal_size

from lightning.pytorch import Trainer

from lightgen.bench.compare import compare
from lightgen.bench.conclusion import conclusion
from lightgen.bench.curves import save_curves
from lightgen.bench.digits import duration
from lightgen.bench.export import comma_separated, latex
from lightgen.bench.likelihood import BITS
from lightgen.bench.page import page
from lightgen.bench.plan import Entry, Plan, carry_out
from lightgen.bench.results import baselines, results, scored, setting
from lightgen.bench.rows import Identity, Row, Rows, read, read_identity
from lightgen.bench.runner import Runner
from lightgen.bench.sheet import save_cell, save_sheet
from lightgen.bench.suite import Suite
from lightgen.bench.table import markdown, on_screen
from lightgen.cli.configs import SUITES, given_configs, with_located_configs, with_texts
from lightgen.cli.many_devices import TRAINER_DEFAULTS, add_trainer
from lightgen.cli.output import set_up_output
from lightgen.cli.parser import Parser
from lightgen.cli.plain import PlainParser
from lightgen.cli.progress import progress_bar
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
    made.add_argument("-c", "--config", action="config", help="a suite, e.g. emoji64.yaml or smoke.yaml")
    made.add_argument(
        "--out",
        type=Path | None,
        default=None,
        help="folder of results, by default runs/bench-NAME for NAME.yaml; called again, it goes on",
    )
    made.add_argument("--shard", type=str | None, default=None, help="i/n: the i-th of n processes that share the work")
    made.add_class_arguments(Suite, None)
    add_trainer(made)
    return made


def main(args: list[str]) -> int:
    """Run a suite, or do something with the results of one."""
    if args[1:2] and args[1] in WITH_RESULTS:
        return WITH_RESULTS[args[1]](args[2:])
    made = parser()
    arguments = with_located_configs(args[1:], SUITES)
    parsed = made.parse_args(with_texts(arguments))
    shard = None if parsed.shard is None else parse_shard(parsed.shard)
    objects = made.instantiate(parsed)
    names = [name for name in inspect.signature(Suite).parameters if name in objects]
    suite = Suite(**{name: objects[name] for name in names})
    run(suite, parsed.out or default_out(arguments), shard, Trainer(**objects.trainer))
    return 0


def default_out(arguments: list[str]) -> Path:
    """runs/bench-NAME, for the last config that is given."""
    names = [Path(path).stem for path in given_configs(arguments)]
    return Path("runs") / "-".join(["bench", *names[-1:]])


def run(suite: Suite, out: Path, shard: tuple[int, int] | None, trainer: Trainer) -> None:
    """Do what is left of a suite, then write table, curves, sheet and report."""
    plan = Plan(suite, Runner.of(suite, trainer))
    # Of several processes, one writes; the others only sample with it.
    store, identity = Rows(out, shard, writes=trainer.is_global_zero), plan.identity()
    with store.writing(identity):
        measure(plan, store, shard)
        if not store.writes:
            return
        rows = read(out)
        if missing := plan.missing(rows):
            print(
                f"{missing} of {len(plan.cells)} cells are left to other shards; the last to finish writes the report"
            )
            return
        write(out, rows, identity)


def measure(plan: Plan, store: Rows, shard: tuple[int, int] | None) -> None:
    """Measure what is not measured yet, with a progress bar and a line a measurement."""
    with progress_bar("measuring", plan.work(store.rows, shard), "steps of a picture") as advance:

        def do(entry: Entry) -> None:
            outcome = plan.runner.run(entry.measurement, lambda _, ids: advance(len(ids)))
            row = plan.runner.row(entry.place, entry.measurement, outcome)
            if store.writes and len(outcome.shown):
                save_cell(outcome.shown, row, store.folder / PICTURES)
            store.append(row)
            if store.writes:
                print(line(row, plan.suite), flush=True)

        carry_out(plan, shard, store, do)


def line(row: Row, suite: Suite) -> str:
    """What is said of a measurement."""
    place, what = row.place, row.measurement
    if place.role == "likelihood":
        return f"{place.method}: {row.scores[BITS]:.3f} {BITS}"
    value = f"{suite.label} {row.scores[suite.label]:.4f}"
    if place.role == "baseline":
        return f"{place.method}: {value}"
    how = setting(what.recipe or {}, list(suite.methods[place.method].grid))
    at = f"{row.evaluations:.1f} evaluations" if place.budget is None else str(place.budget)
    return (
        f"{place.role}: {place.method} at {at}{f', {how}' * bool(how)}, seed {what.seed}: {value}, "
        f"{duration(row.seconds)} a picture"
    )


def write(out: Path, rows: list[Row], identity: Identity) -> None:
    """Write what people look at, and say what it comes to and where it is."""
    found, score, higher = scored(rows, identity), identity.score, identity.higher_is_better
    lines = {name: row.scores[score] for name, row in baselines(rows, identity.priors)}
    save_text(markdown(rows, identity), out / "table.md")
    save_text(comma_separated(found, identity), out / "table.csv")
    save_text(latex(found, identity), out / "table.tex")
    save_curves(found, out / "curves.png", score, lines, higher)
    sheet = out / "sheet.png"
    if (out / PICTURES).is_dir():
        save_sheet(found, out / PICTURES, sheet)
    else:
        print(f"there is no {out / PICTURES}: {'the old sheet stays' if sheet.is_file() else 'no sheet of pictures'}")
    report = out / "report.html"
    save_text(page(rows, identity, f"{out.name}: {score}", out / "curves.svg", sheet), report)
    print(f"\n{score} by network evaluations; * the {'highest' if higher else 'lowest'}, and those level with it")
    print("\n".join(on_screen(found, score, higher, get_terminal_size().columns)))
    print(f"\n{conclusion(found, score, higher)}\nLook at {report.resolve()}")


def main_compare(args: list[str]) -> int:
    """Say which results of two folders differ beyond their intervals."""
    made = PlainParser(prog="lightgen bench compare", description=main_compare.__doc__)
    made.add_argument("a", type=Path, help="a folder that `lightgen bench` wrote")
    made.add_argument("b", type=Path, help="another one")
    made.add_argument("--score", help="its name in the tables; default: the one that A was tuned by")
    parsed = made.parse_args(args)
    identities = [read_identity(folder) for folder in (parsed.a, parsed.b)]
    score = parsed.score or identities[0].score
    found = [results(read(f), i.methods) for f, i in zip((parsed.a, parsed.b), identities, strict=True)]
    for name, some in zip((parsed.a, parsed.b), found, strict=True):
        if not some or not all(result.has(score) for result in some):
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
    what = row.measurement
    runner = Runner.again(row, Trainer(**TRAINER_DEFAULTS, precision=what.precision))  # type: ignore[arg-type]
    if (what.weights, what.data_fingerprint) != (runner.priors.weights(what.prior), runner.evaluator.data_fingerprint):
        raise ValueError(f"{what.prior} or the pictures have changed since this row was measured")
    scores = runner.run(what).scores
    # Relative where figures are above 1: a Frechet distance of a thousand has six digits before the others.
    worst = max(abs(scores[name] - value) / max(1.0, abs(value)) for name, value in row.scores.items())
    for name, value in row.scores.items():
        print(f"{name:<40} {value:.8f}  again {scores[name]:.8f}")
    print(f"largest difference {worst:.1e}")
    return int(worst > TOLERANCE)


def main_page(args: list[str]) -> int:
    """Write table, curves, sheet and report of a folder again, from its rows and the pictures that it has."""
    made = PlainParser(prog="lightgen bench page", description=main_page.__doc__)
    made.add_argument("folder", type=Path, help="a folder that `lightgen bench` wrote")
    folder = made.parse_args(args).folder
    write(folder, read(folder), read_identity(folder))
    return 0


WITH_RESULTS = {"compare": main_compare, "replay": main_replay, "page": main_page}
"""What is done with results that are there: `lightgen bench NAME`."""


def row_of(rows: list[Row], name: str) -> Row:
    """A row by its number from 1 on, or by its id.

    Raises:
        ValueError: if there is none.
    """
    if found := [row for row in rows if row.id == name]:
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
