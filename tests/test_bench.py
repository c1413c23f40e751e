"""`lightgen bench`: fair budgets, tuning on other seeds, nothing measured twice, every figure again."""

import inspect
import json
import math
import shutil
from contextlib import contextmanager
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
import yaml
from filelock import FileLock

import lightgen
from lightgen.bench.compare import compare
from lightgen.bench.curves import save_curves
from lightgen.bench.measurement import Measurement
from lightgen.bench.plan import described
from lightgen.bench.results import Interval, Result, baselines, front, results
from lightgen.bench.rows import Identity, Place, Row, read, read_identity
from lightgen.bench.runner import Runner
from lightgen.bench.sheet import save_cell, save_sheet
from lightgen.bench.suite import Method, Suite, recipes, within
from lightgen.bench.table import RULES, markdown
from lightgen.checkpoint import export, save
from lightgen.cli.bench import parser
from lightgen.cli.configs import SUITES, locate
from lightgen.cli.main import main
from lightgen.conditioners import ClassLabel
from lightgen.figures import read_png
from lightgen.guidance import ConstantGuidance, LinearGuidance
from lightgen.metrics.protocols import Custom
from lightgen.networks.causal_transformer import CausalTransformer
from lightgen.networks.transformer import Transformer
from lightgen.prior import Prior
from lightgen.processes.absorbing import Absorbing
from lightgen.processes.causal import Causal
from lightgen.recipe import Recipe
from lightgen.samplers.argmax_unrolled import ArgmaxUnrolled
from lightgen.samplers.autoregressive import Autoregressive
from lightgen.samplers.random_order import RandomOrder
from lightgen.samplers.sundae import SUNDAE
from lightgen.samplers.token_critic import TokenCritic

PUBLISHED = Path(lightgen.__file__).parents[1] / "benchmarks" / "results"
SCORE = "KID(efficientnet-lite0@32)"


@pytest.fixture(scope="module")
def suite(prior_checkpoint, tmp_path_factory):
    """smoke.yaml, smaller: a path, and its contents."""
    text = yaml.safe_load(Path(locate("smoke.yaml", SUITES)).read_text())
    text |= {"priors": {"tiny": str(prior_checkpoint)}, "evaluations": [1, 4], "num_images": 8, "tuning_images": 6}
    text["protocol"]["init_args"]["features"]["init_args"]["size"] = 32
    path = tmp_path_factory.mktemp("suite") / "suite.yaml"
    path.write_text(yaml.safe_dump(text))
    return path, text


@pytest.fixture(scope="module")
def done(suite, tmp_path_factory):
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("bench") / "out"
    assert main(["bench", "--config", str(suite[0]), "--out", str(out)]) == 0
    return out


def without_times(rows):
    return [replace(row, seconds=0.0, provenance={}) for row in rows]


def of_role(rows, role):
    return [row for row in rows if row.place.role == role]


def save_rows(rows, path):
    path.write_text("".join(json.dumps(asdict(row)) + "\n" for row in rows))


def test_every_method_is_tuned_and_reported_at_every_budget(done, suite):
    rows = read(done)
    assert len({row.key for row in rows}) == len(rows)
    reported = of_role(rows, "report")
    cells = {(row.place.method, row.place.budget) for row in reported}
    # Two evaluations a step do not fit into one.
    assert cells == {("SUNDAE", 1), ("SUNDAE", 4), ("ArgmaxUnrolled", 4), ("Ancestral", 1), ("Ancestral", 4)}
    assert all(sum((r.place.method, r.place.budget) == cell for r in reported) == 2 for cell in cells)
    assert all(0 < row.evaluations <= row.place.budget for row in rows if row.place.role != "baseline")
    for budget in (1, 4):
        tuning = [row for row in rows if row.place == Place("tuning", "SUNDAE", budget)]
        best = min(tuning, key=lambda row: row.scores[SCORE])
        chosen = [row for row in rows if row.place == Place("report", "SUNDAE", budget)]
        assert len(tuning) == 2 and all(row.measurement.recipe == best.measurement.recipe for row in chosen)
        assert {row.measurement.seed for row in tuning}.isdisjoint(row.measurement.seed for row in chosen)
    assert [row.place.method for row in of_role(rows, "baseline")] == [
        "training pictures", "reconstructions", "independent tokens",
    ]  # fmt: skip


def test_what_people_look_at_is_there_and_stands_alone(done):
    table = (done / "table.md").read_text()
    assert "| SUNDAE | " in table and "temperature" in table and "independent tokens" in table
    assert (done / "curves.png").stat().st_size > 10_000 and (done / "sheet.png").stat().st_size > 1_000
    text = (done / "report.html").read_text()
    found = Links()
    found.feed(text)
    assert found.open == [] and found.images == 2
    # All that it shows is in it; what it links lies beside it.
    assert found.loaded and all(link.startswith("data:") for link in found.loaded)
    assert {"table.tex", "table.csv", "curves.svg", "sheet.png"} <= set(found.linked)
    assert all((done / link).is_file() for link in found.linked)
    assert all("chosen at each budget on seed 1000, 6 pictures." in page for page in (table, text))
    assert "$" not in text.split("<script>")[0]


def test_page_writes_again_what_people_look_at(done, tmp_path, capsys):
    out = tmp_path / done.name
    out.mkdir()
    for name in ("suite.json", "results.jsonl"):
        shutil.copy(done / name, out)
    found = Links()
    assert main(["bench", "page", str(out)]) == 0
    assert "no sheet of pictures" in capsys.readouterr().out and not (out / "sheet.png").exists()
    found.feed((out / "report.html").read_text())
    assert (found.open, found.images) == ([], 1)
    # With pictures, then without them, but with the sheet that they made.
    (out / "pictures").symlink_to(done / "pictures")
    for said in ("Look at ", "the old sheet stays"):
        assert main(["bench", "page", str(out)]) == 0
        assert said in capsys.readouterr().out
        for name in ("table.md", "table.csv", "table.tex", "curves.png", "curves.svg", "sheet.png", "report.html"):
            assert (out / name).read_bytes() == (done / name).read_bytes()
        (out / "pictures").unlink(missing_ok=True)
    (out / "results.jsonl").write_text("")
    for folder, why in ((tmp_path / "nowhere", "has no suite.json"), (out, "there are no results yet")):
        assert main(["bench", "page", str(folder)]) == 2
        assert why in capsys.readouterr().err


@pytest.mark.parametrize("name", ["icons64", "emoji64", "sundae_ablations"])
def test_published_tables_are_those_of_their_rows(name):
    assert (
        markdown(read(PUBLISHED / name), read_identity(PUBLISHED / name)) == (PUBLISHED / name / "table.md").read_text()
    )


class Links(HTMLParser):
    """What a page loads and links, and which of its elements are left open."""

    def __init__(self):
        super().__init__()
        self.loaded, self.linked, self.open, self.images = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        links = [value for name, value in attrs if name in ("src", "href")]
        (self.linked if tag == "a" else self.loaded).extend(links)
        self.images += tag == "img"
        if tag not in ("meta", "link", "img", "wbr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_killed_run_goes_on_and_ends_the_same(done, suite, tmp_path, monkeypatch, capsys):
    out, run, calls = tmp_path / "out", Runner.run, []

    def killed(self, what, on_step=None):
        calls.append(what)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return run(self, what, on_step)

    monkeypatch.setattr(Runner, "run", killed)
    assert main(["bench", "--config", str(suite[0]), "--out", str(out)]) == 130
    whole = read(out)
    assert len(whole) == 5
    with (out / "results.jsonl").open("a") as file:
        file.write('{"role": "tuning", "met')
    assert main(["bench", "--config", str(suite[0]), "--out", str(out)]) == 0
    assert without_times(read(out)) == without_times(read(done))
    assert len(calls) == 1 + len(read(done))
    # What is true of every measurement is said once in each run.
    assert capsys.readouterr().err.count("a Frechet distance from 8 pictures") == 2
    assert main(["bench", "--config", str(suite[0]), "--out", str(out)]) == 0
    assert len(calls) == 1 + len(read(done))


def test_a_score_that_is_added_is_measured_for_the_rows_that_lack_it(done, suite, tmp_path, capsys):
    lines = [json.loads(line) for line in (done / "results.jsonl").read_text().splitlines()]
    # As if two reported rows, and the best of the tuning, were of a day when there was no coverage or no KID.
    places = [line.get("place", line) for line in lines]
    for name, number in (("coverage", -1), ("coverage", -3), (SCORE, [p["role"] for p in places].index("tuning"))):
        del lines[number]["scores"][name]
    (tmp_path / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    shutil.copytree(done / "pictures", tmp_path / "pictures")
    assert main(["bench", "--config", str(suite[0]), "--out", str(tmp_path)]) == 0
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == len(lines) + 3
    assert without_times(read(tmp_path)) == without_times(read(done))


def test_shards_share_the_work(done, suite, tmp_path, capsys):
    out = tmp_path / "out"
    for shard in ("1/2", "2/2"):
        assert not (out / "report.html").exists()
        assert main(["bench", "--config", str(suite[0]), "--out", str(out), "--shard", shard]) == 0
    assert sorted(path.name for path in out.glob("*.jsonl")) == ["results-1-of-2.jsonl", "results-2-of-2.jsonl"]
    assert sorted(without_times(read(out)), key=str) == sorted(without_times(read(done)), key=str)
    table = (out / "table.md").read_text().split("## Everything")[0]
    assert table == (done / "table.md").read_text().split("## Everything")[0]


def test_every_figure_can_be_made_again(done, capsys):
    for number in (1, 3, len(read(done))):
        assert main(["bench", "replay", str(done), str(number)]) == 0
    assert "largest difference 0.0e+00" in capsys.readouterr().out
    assert main(["bench", "replay", str(done / "nowhere"), "1"]) == 2
    assert "is not a folder that `lightgen bench` wrote" in capsys.readouterr().err


def test_the_bar_of_a_guided_suite_ends_at_its_total(suite, prior_checkpoint, tmp_path, monkeypatch):
    """A guided step is two evaluations, but one step."""
    own, seen = lightgen.load(prior_checkpoint), []
    layout = own.tokenizer.layout
    process = Causal(layout.vocab_size)
    network = CausalTransformer(process.interface(layout, ClassLabel(2)), dim=8, depth=1, heads=1)
    save(Prior(own.tokenizer, network, process, Recipe(Autoregressive())), tmp_path / "classes.ckpt")
    guidance = {"class_path": "ConstantGuidance", "init_args": {"scale": 2.0}}
    recipe = {"sampler": {"class_path": "Autoregressive"}, "guidance": guidance}
    methods = {"A": {"prior": "classes", "recipe": recipe}}
    text = suite[1] | {"priors": {"classes": str(tmp_path / "classes.ckpt")}, "methods": methods}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(text))

    @contextmanager
    def bar(what, total, unit):
        seen.append([total, 0])
        yield lambda amount: seen[-1].__setitem__(1, seen[-1][1] + amount)

    monkeypatch.setattr("lightgen.cli.bench.progress_bar", bar)
    assert main(["bench", "--config", str(tmp_path / "suite.yaml"), "--out", str(tmp_path / "out")]) == 0
    (total, done) = seen[0]
    assert total == done > 0


def test_a_figure_that_cannot_be_made_again_is_noticed(done, tmp_path, capsys):
    row = of_role(read(done), "report")[0]
    row.scores["precision"] += 1e-3
    save_rows([row], tmp_path / "results.jsonl")
    assert main(["bench", "replay", str(tmp_path), row.id]) == 1
    save_rows([replace(row, measurement=replace(row.measurement, weights="others"))], tmp_path / "results.jsonl")
    assert main(["bench", "replay", str(tmp_path), "1"]) == 2
    assert "have changed since this row was measured" in capsys.readouterr().err
    assert main(["bench", "replay", str(tmp_path), "2"]) == 2
    assert "there is no row 2" in capsys.readouterr().err


def test_compare_finds_what_differs(done, tmp_path, capsys):
    assert main(["bench", "compare", str(done), str(done)]) == 0
    assert "0 of 5 cells differ" in capsys.readouterr().out
    found = results(read(done), ["SUNDAE"])
    moved = [Result(found[0].method, found[0].budget, tuple(shifted(row) for row in found[0].rows)), *found[1:]]
    assert compare(found, moved, SCORE)[-1].startswith("1 of 5 cells differ")
    assert main(["bench", "compare", str(done), str(tmp_path)]) == 2
    assert "is not a folder that `lightgen bench` wrote" in capsys.readouterr().err


def shifted(row):
    return replace(row, scores={**row.scores, SCORE: row.scores[SCORE] + 100})


SUNDAES = {"sampler": {"class_path": "SUNDAE"}}
CHANGES = {
    'names of priors, methods and settings are text: write "3" in quotes': {
        "methods": {3: {"prior": "tiny", "recipe": SUNDAES}}
    },
    'settings are text: write "true" in quotes': {"priors": {True: "gone.ckpt", "tiny": "gone.ckpt"}},
    'settings are text: write "null" in quotes': {
        "methods": {"A": {"prior": "tiny", "recipe": SUNDAES, "grid": {None: [1]}}}
    },
    "a grid has a value of the wrong type among warps.temperature 'hot'": {
        "methods": {"A": {"prior": "tiny", "recipe": SUNDAES, "grid": {"warps.temperature": ["hot"]}}}
    },
    "there are tiny": {"methods": {"A": {"prior": "none", "recipe": SUNDAES}}},
    "which is not there; there are sampler.steps": {
        "methods": {"A": {"prior": "tiny", "recipe": SUNDAES, "grid": {"sampler.updat": [1]}}}
    },
    "update must be in (0, 1], not 2": {
        "methods": {"A": {"prior": "tiny", "recipe": SUNDAES, "grid": {"sampler.update": [2]}}}
    },
    "method A: the sampler MaskGIT does not fit a prior trained with uniform noise": {
        "methods": {"A": {"prior": "tiny", "recipe": {"sampler": {"class_path": "MaskGIT"}}}}
    },
    "evaluations must be at least 1, not 0": {"evaluations": [0, 4]},
    "evaluations names no budget": {"evaluations": []},
    "num_images must be above 3": {"num_images": 3},
    "no method has a setting that fits a budget": {
        "methods": {"A": {"prior": "tiny", "recipe": {"sampler": {"class_path": "ArgmaxUnrolled"}}}},
        "evaluations": [1],
    },
    "tune on other seeds than are reported": {"tuning_seeds": [1]},
    "at least two seeds, all different": {"seeds": [0]},
    "two seeds, all different, or": {"seeds": [0, 1, 1]},
    "tune_by must be one of the scores FD, KID": {"tune_by": "beauty"},
    "tune_by must be one of the scores FD, recall, not KID": {"scores": ["FDScore", "RecallScore"]},
    "scores must have names of their own, but 2 are called KID": {"scores": ["KIDScore", "KIDScore"]},
    "no checkpoint at gone.ckpt": {"priors": {"tiny": "gone.ckpt"}},
    "no model is called zoo:dogs": {"priors": {"tiny": "zoo:dogs"}},
    "wants as many generated as reference pictures": {"protocol": {"class_path": "Offline"}},
    "does not hold reference statistics": {"reference": __file__},
}


@pytest.mark.parametrize("message", CHANGES)
def test_a_wrong_suite_is_refused_in_one_line(message, suite, tmp_path, capsys):
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(suite[1] | CHANGES[message]))
    assert main(["bench", "--config", str(path), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert message in error and len(error.splitlines()) == 1
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_a_protocol_with_statistics_of_the_whole_split_needs_a_file_for_them(suite, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Custom, "whole_split", True)
    assert main(["bench", "--config", str(suite[0]), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip()
    assert "wants statistics of the whole" in error and len(error.splitlines()) == 1


def test_distances_to_other_statistics_have_other_names(done, suite, tmp_path, capsys):
    """The rows differ, and one folder does not take both."""
    path, text = tmp_path / "whole.yaml", suite[1] | {"reference": str(tmp_path / "reference.safetensors")}
    path.write_text(yaml.safe_dump(text))
    assert main(["bench", "--config", str(path), "--out", str(tmp_path / "out")]) == 0
    plain, whole = (read(folder) for folder in (done, tmp_path / "out"))
    assert not {row.id for row in plain} & {row.id for row in whole if row.place.role != "likelihood"}
    assert {row.rules["frechet_reference"] for row in plain} == {"the reference pictures"}
    assert {row.rules["frechet_reference"] for row in whole} == {"statistics of the whole split"}
    for config, folder in ((path, done), (suite[0], tmp_path / "out")):
        assert main(["bench", "--config", str(config), "--out", str(folder)]) == 2
        assert "holds results of another suite (other frechet_reference)" in capsys.readouterr().err


def test_results_in_half_precision_are_others_and_can_be_made_again(done, suite, tmp_path, capsys):
    path, half = tmp_path / "suite.yaml", ["--trainer.precision", "bf16-mixed"]
    path.write_text(yaml.safe_dump(suite[1] | {"methods": {"Ancestral": suite[1]["methods"]["Ancestral"]}}))
    command = ["bench", "--config", str(path), "--out", str(tmp_path / "out")]
    assert main([*command, *half]) == 0
    plain, rows = (read(folder) for folder in (done, tmp_path / "out"))
    assert not {row.id for row in plain} & {row.id for row in rows}
    assert {row.measurement.precision for row in plain} == {"32-true"}
    assert main(command) == 2
    assert "holds results of another suite (other precision)" in capsys.readouterr().err
    last = rows[-1]
    assert last.place.role == "report" and last.measurement.precision == "bf16-mixed"
    assert main(["bench", "replay", str(tmp_path / "out"), last.id]) == 0


def test_a_measurement_that_two_processes_made_counts_once(done, tmp_path):
    lines = (done / "results.jsonl").read_text()
    (tmp_path / "results.jsonl").write_text(lines)
    (tmp_path / "results-1-of-2.jsonl").write_text(lines)
    assert read(tmp_path) == read(done)


def test_the_page_speaks_of_what_is_reported(done, suite, tmp_path):
    """Whatever the order of the files: a shard's may begin with a row of tuning, of fewer pictures, of another day."""
    rows = read(done)
    rows[-1].provenance["git"] = "of-another-day"
    for name, roles in (("results-2-of-2.jsonl", ("tuning",)), ("results.jsonl", ("baseline", "likelihood", "report"))):
        save_rows([row for row in rows if row.place.role in roles], tmp_path / name)
    for name in ("suite.json", "pictures"):
        (tmp_path / name).symlink_to(done / name)
    assert main(["bench", "--config", str(suite[0]), "--out", str(tmp_path)]) == 0
    table, page = (tmp_path / "table.md").read_text(), (tmp_path / "report.html").read_text()
    assert "; 8 pictures a seed against" in table and ". 8 pictures of each of 2 seeds" in page
    assert "- num_fake: 8\n" in table and f"- git: {rows[-2].provenance['git']}, of-another-day\n" in table


def a_row(role, method, budget=None, prior="a.ckpt", evaluations=0.0, seed=0, recipe=None, score=0.0):
    """A row of results, mostly empty."""
    source = method if role == "baseline" else "sampler"
    what = Measurement(source, prior, "w", recipe, seed, 8, {"name": "none"}, "f", {}, None, 8)
    rules = dict.fromkeys(RULES, "none")
    return Row(
        Place(role, method, budget), f"{what.id}{budget}", what, (), {SCORE: score}, evaluations, 0.1, 8, rules, {}
    )


def test_baselines_of_several_tokenizers_go_by_their_priors():
    rows = [a_row("baseline", method, prior=path) for method, path in (
        ("reconstructions", "a.ckpt"), ("training pictures", "a.ckpt"), ("reconstructions", "b.ckpt"))]  # fmt: skip
    names = [name for name, _ in baselines(rows, {"A": "a.ckpt", "also A": "a.ckpt", "B": "b.ckpt"})]
    assert names == ["training pictures", "reconstructions, A", "reconstructions, B"]


def test_sheets_of_pictures_that_are_not_square(tmp_path):
    found = [Result("a", budget, (a_row("report", "a", budget),)) for budget in (1, 2)]
    for result in found:
        save_cell(torch.full((8, 3, 16, 40), 100, dtype=torch.uint8), result.rows[0], tmp_path)
    save_sheet(found, tmp_path, tmp_path / "sheet.png")
    sheet = read_png(tmp_path / "sheet.png")
    assert int((sheet == 100).all(0).sum()) >= 2 * 8 * 16 * 40


def test_adaptive_samplers_stand_where_they_were_measured(tmp_path):
    recipes = [{"kind": "recipe", "arguments": {"sampler": {"arguments": {"entropy": value}}}} for value in (0.1, 0.2)]
    rows = [
        *(a_row("report", "fixed", 4, seed=seed, evaluations=4.0, score=seed) for seed in (0, 1)),
        *(a_row("report", "EB", None, seed=seed, evaluations=cost + seed, recipe=recipe, score=0.1 * cost)
          for recipe, cost in zip(recipes, (9.0, 3.0), strict=True) for seed in (0, 1)),
    ]  # fmt: skip
    found = results(rows, ["fixed", "EB"])
    assert [(r.method, r.budget, r.evaluations) for r in found] == [
        ("fixed", 4, 4.0),
        ("EB", None, 3.5),
        ("EB", None, 9.5),
    ]
    methods = {name: {"grid": grid} for name, grid in (("fixed", {}), ("EB", {"sampler.entropy": [0.1, 0.2]}))}
    identity = Identity({}, {}, methods, "f", {}, [4], 8, [0, 1], 8, [9], SCORE, False)
    table = markdown(rows, identity)
    assert "| method | 4 |\n|---|---|\n| fixed | 0.5 ± 6.4 |\n" in table
    assert "| EB | 3.5 | 0.3 ± 0.0 | entropy 0.2 |\n| EB | 9.5 | 0.9 ± 0.0 | entropy 0.1 |\n" in table
    assert compare(found, found[:2], SCORE)[-1] == "Only in A: EB at 9.5, adaptive."
    for result in found:
        save_cell(torch.full((8, 3, 16, 40), 100, dtype=torch.uint8), result.rows[0], tmp_path)
    save_sheet(found, tmp_path, tmp_path / "sheet.png")
    assert int((read_png(tmp_path / "sheet.png") == 100).all(0).sum()) >= 3 * 8 * 16 * 40
    save_curves(found, tmp_path / "curves.png", SCORE, {})


def test_a_score_that_only_some_rows_have_is_said_to_be_missing():
    rows = [a_row("report", "a", budget, seed=seed, evaluations=1.0) for budget in (1, 2) for seed in (0, 1)]
    rows[2].scores["novelty"] = 0.5
    identity = Identity({}, {}, {"a": {"grid": {}}}, "f", {}, [1, 2], 8, [0, 1], 8, [9], SCORE, False)
    assert markdown(rows, identity).count("| not measured |") == 2
    rows[3].scores["novelty"] = 0.5
    assert markdown(rows, identity).count("| not measured |") == 1
    del rows[0].scores[SCORE]
    with pytest.raises(ValueError, match="a at 1 has no KID"):
        markdown(rows, identity)


def suite_of(name):
    """A suite that lightgen brings, as the command line reads it."""
    made = parser()
    parsed = made.instantiate(made.parse_args(["--config", str(locate(name, SUITES)), "--out", "nowhere"]))
    return Suite(**{name: parsed[name] for name in inspect.signature(Suite).parameters})


def test_results_of_before_are_todays():
    """The published rows, the older of them with no version: what each line says of itself is what is read."""
    folder = PUBLISHED / "emoji64"
    lines = [json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_text().splitlines()]
    assert {row.id for row in read(folder)} == {line["id"] for line in lines}


@pytest.mark.parametrize(("name", "version"), [("emoji64", 2), ("sundae_ablations", None)])
def test_a_suite_of_before_is_todays(name, version):
    assert json.loads((PUBLISHED / name / "suite.json").read_text()).get("version") == version
    methods = {method: described(made) for method, made in suite_of(f"{name}.yaml").methods.items()}
    assert read_identity(PUBLISHED / name).methods == methods


def test_results_of_a_later_version_are_refused(done, tmp_path):
    row = replace(read(done)[0], version=3)
    save_rows([row], tmp_path / "results.jsonl")
    with pytest.raises(ValueError, match=r"line 1 of .*results.jsonl was written by a later lightgen"):
        read(tmp_path)


def test_a_folder_is_one_suites_and_one_writers(done, suite, tmp_path, capsys):
    path = tmp_path / "other.yaml"
    path.write_text(yaml.safe_dump(suite[1] | {"seeds": [5, 6]}))
    before = (done / "results.jsonl").read_bytes()
    assert main(["bench", "--config", str(path), "--out", str(done)]) == 2
    assert "holds results of another suite (other seeds)" in capsys.readouterr().err
    with FileLock(done / ".results.jsonl.lock"):
        assert main(["bench", "--config", str(suite[0]), "--out", str(done)]) == 2
    assert "another process is writing" in capsys.readouterr().err
    assert (done / "results.jsonl").read_bytes() == before


def test_a_retrained_prior_is_not_averaged_with_the_former_one(suite, prior_checkpoint, tmp_path, capsys):
    path, checkpoint = tmp_path / "suite.yaml", tmp_path / "prior.ckpt"
    methods = {"Ancestral": suite[1]["methods"]["Ancestral"]}
    path.write_text(yaml.safe_dump(suite[1] | {"priors": {"tiny": str(checkpoint)}, "methods": methods}))
    checkpoint.write_bytes(prior_checkpoint.read_bytes())
    command = ["bench", "--config", str(path), "--out", str(tmp_path / "out")]
    assert main(command) == 0
    table = (tmp_path / "out" / "table.md").read_bytes()
    prior = lightgen.load(checkpoint)
    for weight in prior.network.parameters():
        torch.nn.init.zeros_(weight)
    save(prior, checkpoint)
    assert main(command) == 2
    assert "holds results of another suite (other weights)" in capsys.readouterr().err
    assert (tmp_path / "out" / "table.md").read_bytes() == table


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b"])
def test_a_shard_is_a_part_of_a_whole(shard, suite, tmp_path, capsys):
    assert main(["bench", "--config", str(suite[0]), "--out", str(tmp_path), "--shard", shard]) == 2
    assert "shard must be i/n" in capsys.readouterr().err


def test_budgets_count_evaluations():
    def steps(sampler, budget, guidance=None, num_tokens=16):
        fitted = within(Recipe(sampler, guidance=guidance), budget, num_tokens)
        return fitted and getattr(fitted.sampler, "steps", num_tokens)

    assert steps(SUNDAE(1), 8) == 8
    assert steps(SUNDAE(1), 8, ConstantGuidance(1.0)) == 8
    assert steps(SUNDAE(1), 8, ConstantGuidance(0.0)) == 8
    assert steps(SUNDAE(1), 8, ConstantGuidance(2.0)) == 4
    assert steps(SUNDAE(1), 8, LinearGuidance(2.0)) == 4
    assert steps(ArgmaxUnrolled(1), 8) == 4
    assert steps(TokenCritic(1), 8) == 4
    # Under guidance the network counts twice, the critic once.
    assert steps(TokenCritic(1), 8, ConstantGuidance(2.0)) == 3
    assert steps(ArgmaxUnrolled(1), 1) is None
    assert steps(Autoregressive(), 16) == 16
    assert steps(Autoregressive(), 15) is None


def test_a_grid_is_every_combination():
    grid = {"warps.temperature": [0.5, 1.0], "sampler.update": [0.2, 0.4, 0.6]}
    found = list(recipes(Method("p", Recipe(SUNDAE(8)), grid=grid)))
    pairs = [(recipe.warps.temperature, recipe.sampler.update) for recipe in found]
    assert pairs == [(t, u) for t in (0.5, 1.0) for u in (0.2, 0.4, 0.6)]


def test_a_method_may_have_a_prior_for_each_seed(suite, prior_checkpoint, tmp_path, capsys):
    other = tmp_path / "other"
    export(prior_checkpoint, other, half=True)
    methods = {"SUNDAE": {"prior": ["tiny", "other"], "recipe": SUNDAES}}
    text = suite[1] | {"priors": {"tiny": str(prior_checkpoint), "other": str(other)}, "methods": methods}
    path = tmp_path / "suite.yaml"
    path.write_text(yaml.safe_dump(text))
    assert main(["bench", "--config", str(path), "--out", str(tmp_path / "out")]) == 0
    reported = [row.measurement for row in read(tmp_path / "out") if row.place == Place("report", "SUNDAE", 4)]
    assert [(what.seed, what.prior) for what in reported] == [(0, str(prior_checkpoint)), (1, str(other))]
    path.write_text(yaml.safe_dump(text | {"seeds": [0, 1, 2]}))
    assert main(["bench", "--config", str(path), "--out", str(tmp_path / "other-out")]) == 2
    assert "method SUNDAE has 2 priors; give one, or one for each of the seeds" in capsys.readouterr().err


def test_a_method_without_guidance_has_none_whatever_the_prior_does_by_itself(suite, prior_checkpoint, tmp_path):
    own = lightgen.load(prior_checkpoint)
    parts = (own.tokenizer, own.network, own.process, own.recipe.replace(guidance=ConstantGuidance(2.0)))
    save(Prior(*parts), tmp_path / "guided.ckpt")
    sampler = {"class_path": "SUNDAE", "init_args": {"steps": 1, "min_steps": 4}}
    methods = {"SUNDAE": {"prior": "guided", "recipe": {"sampler": sampler}}}
    text = suite[1] | {"priors": {"guided": str(tmp_path / "guided.ckpt")}, "methods": methods, "evaluations": [4]}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(text))
    assert main(["bench", "--config", str(tmp_path / "suite.yaml"), "--out", str(tmp_path / "out")]) == 0
    assert {row.evaluations for row in of_role(read(tmp_path / "out"), "report")} == {4.0}


def test_a_prior_with_a_likelihood_is_measured_by_it(suite, prior_checkpoint, tmp_path):
    tokenizer = lightgen.load(prior_checkpoint).tokenizer
    process = Absorbing(tokenizer.layout.vocab_size)
    network = Transformer(process.interface(tokenizer.layout, None), dim=8, depth=1, heads=1)
    for weight in network.parameters():
        torch.nn.init.zeros_(weight)
    save(Prior(tokenizer, network, process, Recipe(RandomOrder(2))), tmp_path / "blank.ckpt")
    methods = {"RandomOrder": {"prior": "blank", "recipe": {"sampler": {"class_path": "RandomOrder"}}}}
    text = suite[1] | {"priors": {"blank": str(tmp_path / "blank.ckpt")}, "methods": methods, "evaluations": [2]}
    (tmp_path / "suite.yaml").write_text(yaml.safe_dump(text))
    out = tmp_path / "out"
    assert main(["bench", "--config", str(tmp_path / "suite.yaml"), "--out", str(out)]) == 0
    (row,) = of_role(read(out), "likelihood")
    # A network that knows nothing needs log2 V bits for every token.
    assert row.place.method == "blank"
    assert row.scores["bits per token"] == pytest.approx(math.log2(tokenizer.layout.vocab_size))
    assert "| blank | 4.000 ± 0.000 |" in (out / "table.md").read_text()
    assert "4.000 <span>± 0.000</span>" in (out / "report.html").read_text()
    assert main(["bench", "replay", str(out), row.id]) == 0


def test_intervals_are_students():
    # For two values the quantile of one degree of freedom is tan(0.475 pi).
    found = Interval.of([1.0, 3.0])
    assert found.mean == 2 and found.half == pytest.approx(math.tan(0.475 * math.pi))
    generator, inside = torch.Generator().manual_seed(0), 0
    for values in torch.randn(2000, 4, generator=generator):
        interval = Interval.of(values.tolist())
        inside += abs(interval.mean) <= interval.half
    assert inside / 2000 == pytest.approx(0.95, abs=0.015)
    assert Interval(0.0, 1.0).apart(Interval(2.1, 1.0)) and not Interval(0.0, 1.0).apart(Interval(1.9, 1.0))


def test_the_front_is_what_nothing_beats():
    points = [(1.0, 5.0), (2.0, 3.0), (2.0, 4.0), (3.0, 3.0), (4.0, 1.0), (0.5, 6.0)]
    assert front(points) == [True, True, False, False, True, True]
