"""What people look at of a comparison: its words, digits, files, and the terminal."""

import csv
import io
import os
import re
import subprocess
import sys
import warnings
from dataclasses import asdict, replace

import pytest
import torch
from test_bench import SCORE, a_row, save_rows

from lightgen.bench.conclusion import conclusion
from lightgen.bench.digits import decimals, duration, number, written
from lightgen.bench.export import comma_separated, latex
from lightgen.bench.page import page
from lightgen.bench.results import Interval, results
from lightgen.bench.rows import Identity
from lightgen.bench.sheet import save_cell, save_sheet
from lightgen.bench.table import by_cell, on_screen
from lightgen.cli.bench import default_out, parser
from lightgen.cli.configs import SUITES, locate
from lightgen.cli.progress import progress_bar
from lightgen.functional.files import save_json

HEADLESS = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def found_of(scores, order=("A", "B", "C")):
    """Results of methods at budgets, by the scores of their seeds; of an adaptive one, the budget is what it takes."""
    rows = []
    for (method, budget), values in scores.items():
        adaptive = isinstance(budget, float)
        recipe = {"arguments": {"at": budget}} if adaptive else None
        rows += [
            a_row("report", method, None if adaptive else budget, seed=seed, evaluations=float(budget), score=value,
                  recipe=recipe)
            for seed, value in enumerate(values)
        ]  # fmt: skip
    return results(rows, order)


def identity_of(methods, **changes):
    grids = {name: {"grid": {}} for name in methods}
    return replace(Identity({}, {}, grids, "f", {}, [4], 8, [0, 1], 8, [9], SCORE, False), **changes)


CLOSE, APART, FAR = (1.0, 1.1), (1.05, 1.15), (9.0, 9.1)


def test_the_conclusion_names_the_best_and_those_level_with_it():
    found = found_of({("A", 4): CLOSE, ("B", 4): APART, ("A", 8): CLOSE, ("B", 8): FAR, ("B", 16): CLOSE})
    said = conclusion(found, SCORE, False)
    assert said.startswith(f"Lowest {SCORE}: A at 4 and 8 network evaluations; B at 16.")
    assert "Level with the lowest, as 95 % intervals touch: B at 4." in said
    assert "Ahead of all others beyond the intervals at 8." in said and "Nothing else was measured at 16." in said
    # Higher is better: now B is far ahead at 8.
    assert conclusion(found, SCORE, True).startswith(f"Highest {SCORE}: B at 4, 8 and 16 network evaluations.")
    many = found_of({(name, 4): CLOSE for name in "ABCDE"}, "ABCDE")
    assert "touch: all 4 others at 4." in conclusion(many, SCORE, False)


@pytest.mark.parametrize(("values", "verdict"), [(APART, "level with"), (FAR, "behind"), ((0.0, 0.01), "better than")])
def test_the_conclusion_holds_an_adaptive_sampler_against_those_that_may_spend_as_much(values, verdict):
    found = found_of({("A", 4): CLOSE, ("A", 8): FAR, ("EB", 3.5): values})
    assert f"at 3.5, {verdict} the lowest at 4." in conclusion(found, SCORE, False)
    alone = conclusion(found_of({("EB", 3.5): values}), SCORE, False)
    assert alone.startswith("EB, which is adaptive, has ") and alone.endswith("at 3.5 network evaluations.")


def test_a_column_has_as_many_decimals_everywhere():
    column = [Interval(0.3675, 0.0050), Interval(0.3512, 0.024), Interval(0.4, 0.019), Interval(-0.0001, 0.02)]
    digits = decimals(column)
    assert [written(i, digits) for i in column] == [
        "0.367 ± 0.005", "0.351 ± 0.024", "0.400 ± 0.019", "0.000 ± 0.020",
    ]  # fmt: skip
    assert decimals([Interval(602.0, 12.0), Interval(543.0, 6.8)]) == 1
    assert decimals([Interval(1316.0, 120.0)]) == 0 and decimals([]) == 0
    assert [decimals([Interval(mean, 0.0)]) for mean in (0.0, 0.1234, 1234.0, 123456.0)] == [0, 4, 0, 0]
    assert number(-0.00846, 3) == "-0.008"
    found = found_of({("A", 4): (0.5, 0.6), ("A", 8): (0.5, 0.5), ("B", 4): (0.123456, 0.3)})
    cells = by_cell(found, identity_of("AB"))
    decimal_places = {len(part.split(".")[1]) for line in cells for part in line[5].split(" ± ")}
    assert len(decimal_places) == 1
    assert [duration(seconds) for seconds in (0.00626, 0.0626, 1.36)] == ["6.3 ms", "62.6 ms", "1.36 s"]


def test_latex_takes_any_name():
    names = ("50% & more_{x}", r"\input{secret}~^#$")
    found = found_of({(names[0], 4): CLOSE, (names[1], 4): FAR, (names[1], 8): FAR}, names)
    text = latex(found, identity_of(names))
    assert r"50\% \& more\_\{x\} & $\mathbf{1.05 \pm 0.64}$ & -- \\" in text
    assert r"\textbackslash{}input\{secret\}\textasciitilde{}\textasciicircum{}\#\$ & $9.05 \pm 0.64$" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1


def test_comma_separated_values_are_whole():
    found = found_of({("A, of B", 4): (0.5, 0.25), ("EB", 3.5): CLOSE}, ("A, of B", "EB"))
    rows = list(csv.DictReader(io.StringIO(comma_separated(found, identity_of(("A, of B", "EB"))))))
    assert [(row["method"], row["budget"], float(row["evaluations"])) for row in rows] == [
        ("A, of B", "4", 4.0), ("EB", "", 3.5),
    ]  # fmt: skip
    assert float(rows[0][SCORE]) == 0.375 and float(rows[0][f"{SCORE} half width"]) == found[0].score(SCORE).half


def test_the_table_on_a_screen_is_as_wide_as_the_screen():
    found = found_of({(name, budget): CLOSE for name in "AB" for budget in (4, 8, 16)})
    wide, narrow = (on_screen(found, SCORE, False, width) for width in (200, 40))
    assert all("±" in line and line.count("*") == 3 for line in wide[1:])
    assert not any("±" in line for line in narrow) and all(len(line) <= 40 for line in narrow)
    assert len({len(line) for line in wide[1:]}) == 1


def test_the_page_explains_its_words(tmp_path):
    rows = [a_row("report", "A", 4, seed=seed, evaluations=3.6, score=-0.01 * seed) for seed in (0, 1)]
    (tmp_path / "curves.svg").write_text("<svg/>")
    text = page(rows, identity_of("A"), "A", tmp_path / "curves.svg", tmp_path / "sheet.png")
    first = re.search(r"<h1>.*?</h1>\s*<p[^>]*>(.*?)</p>", text, re.S)[1]
    assert first.startswith(f"Lowest {SCORE}: A at 4 network evaluations.")
    assert "it need not be a whole number" in text and "unbiased estimate" in text
    assert "prefers-color-scheme: dark" in text


def test_pictures_go_by_names_that_tell(tmp_path):
    found = found_of({("É/../b <i>\n" + "x" * 300, 4): CLOSE, ("EB", 3.5): CLOSE}, ())
    adaptive = found[0].rows[0].id
    for result in found:
        save_cell(torch.full((8, 3, 16, 16), 100, dtype=torch.uint8), result.rows[0], tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert re.fullmatch(r"report-..-b-i-x+-4-seed-0-\w+\.png", names[0]), names
    assert names[1] == f"report-EB-seed-0-{adaptive}.png"
    # Those of before were called by the id alone.
    (tmp_path / names[1]).rename(tmp_path / f"{adaptive}.png")
    save_sheet(found, tmp_path, tmp_path / "sheet" / "sheet.png")
    (tmp_path / f"{adaptive}.png").unlink()
    with pytest.raises(ValueError, match=r"lacks the pictures of EB at 3\.5, adaptive"):
        save_sheet(found, tmp_path, tmp_path / "sheet" / "sheet.png")


def test_a_suite_has_a_folder_of_its_own():
    assert str(default_out(["--config", "a/emoji64.yaml"])) == "runs/bench-emoji64"
    assert str(default_out(["--config=smoke.yaml", "--config", "mine.yaml"])) == "runs/bench-mine"
    assert str(default_out(["--shard", "1/2"])) == "runs/bench"


def test_bars_say_what_they_count_and_leave_nothing_behind(monkeypatch, capsys):
    for terminal, shown in (({}, False), ({"FORCE_COLOR": "1", "COLUMNS": "120"}, True)):
        for name, value in terminal.items():
            monkeypatch.setenv(name, value)
        with progress_bar("measuring", 4, "steps of a picture") as advance:
            advance(4)
            print("a line")
        said = capsys.readouterr().out
        assert ("4/4" in said and "steps of a picture" in said) is shown
        assert (said == "a line\n") is not shown


def test_lightnings_use_of_the_parser_is_not_reported():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        made = parser()
        made.instantiate(made.parse_args(["--config", str(locate("smoke.yaml", SUITES))]))


def test_a_locale_that_knows_no_other_than_ascii_is_no_end(tmp_path):
    rows = [a_row("report", "naïve", 4, seed=seed, evaluations=4.0, score=score) for seed, score in enumerate(CLOSE)]
    save_rows(rows, tmp_path / "results.jsonl")
    save_json(asdict(identity_of(["naïve"])), tmp_path / "suite.json")
    command = [sys.executable, "-m", "lightgen", "bench", "page", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"} | HEADLESS
    done = subprocess.run(command, capture_output=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    assert b"\nna?ve   1.05 ? 0.64*\n" in done.stdout
    assert "| naïve | 1.05 ± 0.64 |" in (tmp_path / "table.md").read_text(encoding="utf-8")
