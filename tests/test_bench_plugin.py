"""A score and an adaptive sampler from outside the package, in a suite."""

import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import pytest
import yaml
from test_plugin import package

from lightgen.bench.digits import decimals, written
from lightgen.bench.results import front, results
from lightgen.bench.rows import Place, read
from lightgen.cli.configs import SUITES, locate


@pytest.fixture
def bench(tmp_path):
    """Gives `lightgen bench` commands where both are installed; returns what they print."""
    site = tmp_path / "site"
    package(site, "score", "adaptive")

    def run(*commands):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}
        given = [["bench", *map(str, command)] for command in commands]
        code = f"from lightgen.cli.main import main\nassert not any(main(command) for command in {given})"
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_score_and_an_adaptive_sampler_from_outside(bench, prior_checkpoint, tmp_path):
    text = yaml.safe_load(Path(locate("smoke.yaml", SUITES)).read_text())
    recipe, grid = {"sampler": {"class_path": "Patience"}}, {"sampler.count": [1, 2, 4]}
    patience = {"prior": "tiny", "recipe": recipe, "grid": grid}
    text["methods"] = {"Ancestral": text["methods"]["Ancestral"], "Patience": patience}
    text |= {"priors": {"tiny": str(prior_checkpoint)}, "evaluations": [1, 2], "num_images": 8, "tuning_images": 8}
    text |= {"scores": ["GapScore", "RecallScore"], "tune_by": "gap"}
    text["protocol"]["init_args"]["features"]["init_args"]["size"] = 32
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(text))
    out, label = tmp_path / "out", "gap(efficientnet-lite0@32)"
    suite = ("--config", tmp_path / "suite.yaml", "--out", out)
    # Whole, then again, when nothing is left to do, then a row of the adaptive sampler.
    said = bench(suite, suite, ("replay", out, 9))
    rows = read(out)
    assert said.count("report: Patience at ") == len([r for r in rows if r.place == Place("report", "Patience", None)])
    assert "largest difference 0.0e+00" in said
    assert all(row.scores.keys() == {label, "recall"} and row.scores[label] > 0 for row in rows)

    # The sampler stands where it was measured to be: of 8 pictures, each took 1 + (i mod count) evaluations.
    tuning = [row for row in rows if (row.place.role, row.place.method) == ("tuning", "Patience")]
    assert [row.evaluations for row in tuning] == [1.0, 1.5, 2.5]
    best = front([(row.evaluations, row.scores[label]) for row in tuning])
    found = [result for result in results(rows, text["methods"]) if result.method == "Patience"]
    assert [result.budget for result in found] == [None] * sum(best)
    expected = [row.measurement.recipe for row, is_best in zip(tuning, best, strict=True) if is_best]
    assert [result.recipe for result in found] == expected
    for result in found:
        assert len(result.rows) == 2 and result.evaluations == fmean(row.evaluations for row in result.rows)
    table, page = (out / "table.md").read_text(), (out / "report.html").read_text()
    digits = decimals(result.score(label) for result in results(rows, text["methods"]))
    assert f"| Patience | 1.0 | {written(found[0].score(label), digits)} | count 1 |" in table
    assert "| adaptive method |" in table
    assert "<td>Patience</td><td>1.0</td>" in page
