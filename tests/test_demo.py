"""The demo, at a size of seconds: its files, and going on where it stopped."""

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lightgen.bench.rows import read
from lightgen.cli import demo
from lightgen.cli.main import main
from lightgen.figures import read_png

BRIEF = ["--trainer.max_steps", "2", "--trainer.limit_val_batches", "1", "--trainer.val_check_interval", "5"]
SMALL = {
    "emoji64-tokenizer.yaml": ["--model.tokenizer.width", "8", *BRIEF],
    "emoji64.yaml": ["--model.network.dim", "16", "--model.network.depth", "[1, 1, 1]", *BRIEF],
    "reconstruct": ["--num_images", "8"],
    "sample": ["--num_images", "4", "--sampler.steps", "2"],
    "demo.yaml": ["--num_images", "6", "--evaluations", "[1, 2]"],
}


@pytest.fixture
def calls(monkeypatch):
    """The commands that a small demo gives."""
    made = []

    class Shrunken:
        def __init__(self, module):
            self.module = module

        def main(self, command, *callbacks):
            made.append(command)
            config = command[command.index("--config") + 1] if "--config" in command else command[0]
            for preview in callbacks:
                preview.every = 0.0
            return self.module.main([*command, *SMALL[config]], *callbacks)

    monkeypatch.setattr(demo, "COMMANDS", {name: Shrunken(module) for name, module in demo.COMMANDS.items()})
    return made


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_make_installs_what_is_needed_and_nothing_twice(tmp_path):
    root = Path(__file__).parents[1]
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(root / name, tmp_path)

    def installs(target):
        command = ["make", "--dry-run", "--no-print-directory", target]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
        assert ("about 6 GB" in done.stdout) == ("pip install" in done.stdout)
        return re.findall(r'--editable "\.\[(\w+)\]"', done.stdout)

    (tmp_path / ".venv").mkdir()
    assert (installs("demo"), installs("test")) == (["demo"], ["dev"])
    (tmp_path / ".venv" / "demo").touch()
    assert (installs("demo"), installs("test")) == ([], ["dev"])
    (tmp_path / ".venv" / "dev").touch()
    assert installs("demo") == installs("test") == installs("lint") == []


def test_demo(calls, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    assert [call[0] for call in calls] == ["fit", "fit", "reconstruct", "sample", "bench"]
    # On several devices, only the first run of a process would start the others.
    assert all("--trainer.devices" in call for call in calls if call[0] != "reconstruct")
    for name in ("samples/grid.png", "reconstructions/reconstructions.png", "bench/curves.png", "bench/sheet.png",
                 "tokenizer/reconstructions.png", "prior/samples.png"):  # fmt: skip
        assert read_png(out / name).float().std() > 1
    rows = read(out / "bench")
    cells = {(row.place.method, row.place.budget) for row in rows if row.place.role == "report"}
    assert cells == {(method, budget) for method in ("SUNDAE", "Renoise") for budget in (1, 2)}
    # Nothing was tuned, so nothing says so.
    table, page = (out / "bench" / "table.md").read_text(), (out / "bench" / "report.html").read_text()
    assert "chosen at each budget" not in table + page
    said, told = capsys.readouterr()
    # Each picture says how much of all is left; here each step has one.
    looks = re.findall(r"^ +(\d+)% of stage (\d), about (.*) left in all; look at (.*)$", told, re.M)
    assert [(share, stage) for share, stage, _, _ in looks] == [("50", "1"), ("100", "1"), ("50", "2"), ("100", "2")]
    drawn = {out / "tokenizer" / "reconstructions.png", out / "prior" / "samples.png"}
    assert {Path(path) for *_, path in looks} == drawn
    # Each command is said as anyone can give it.
    assert [line.split()[1] for line in re.findall(r"^ {8}lightgen .*", said, re.M)] == [call[0] for call in calls]
    # How long it takes, first the whole of it, then each part.
    assert "about 12 minutes on two cores" in said.splitlines()[0]
    stages = re.findall(r"^\d of 5, (.*), about (.*) left in all: ", said, re.M)
    assert [own for own, _ in stages] == [
        "about 3 minutes", "about 7 minutes", "under a minute", "under a minute", "about 2 minutes",
    ]  # fmt: skip
    assert stages[0][1] == "12 minutes"
    # It ends with the table, who is ahead, where the report is, and what to do next.
    end = said[said.index("by network evaluations; *") :]
    assert re.search(r"^SUNDAE .*\*?$", end, re.M) and re.search(r"^Lowest KID.* at ", end, re.M)
    assert end.count("Look at ") == 1 and f"Look at {out / 'bench' / 'report.html'}" in end
    following = end[end.index("Three things to try:") :].splitlines()[1:]
    assert len(following) == 3 and (out / "bench" / "report.html").as_uri() in following[0]
    assert "e+0" not in said and "fingerprint" not in said

    # Again: nothing is trained or measured anew, what is missing is written again.
    (out / "bench" / "table.md").unlink()
    assert main(["demo", "--out", str(out)]) == 0
    assert [call[0] for call in calls[5:]] == ["reconstruct", "sample", "bench"]
    assert (out / "bench" / "table.md").read_text() == table and read(out / "bench") == rows


def test_an_interrupted_demo_says_how_it_goes_on(calls, tmp_path, capsys, monkeypatch):
    def stop(*args):
        raise KeyboardInterrupt("go on with --ckpt_path")

    monkeypatch.setattr(demo, "COMMANDS", {"fit": SimpleNamespace(main=stop)})
    assert main(["demo", "--out", str(tmp_path)]) == 130
    (line,) = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"lightgen: interrupted; this goes on: \S+ demo --out {re.escape(str(tmp_path))}", line)


def test_what_is_left_of_the_demo_follows_its_speed(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(demo.time, "monotonic", lambda: 60 * now)
    outlook = demo.Outlook()
    outlook.announce(1)
    assert outlook.left() == "about 12 minutes"
    # A third of three minutes took two: half as fast as planned.
    now = 2.0
    assert outlook.left(1 / 3, 1 / 3) == "about 22 minutes"
    # The rest of the stage went as planned.
    now, outlook.worked = 4.0, 3.0
    outlook.announce(2)
    assert "2 of 5, about 7 minutes, about 12 minutes left in all: A SUNDAE prior" in capsys.readouterr().out
    # Gone on with at half of stage two: what was done before says nothing of the speed.
    now = 0.0
    again = demo.Outlook()
    again.stage = 2
    now = 3.5
    assert again.left(0.75, 0.25) == "about 8 minutes"
    again.stage, again.worked = 5, 3.5
    assert again.left(0.9, 0.9) == "about a minute"
