"""The demo, at a size of seconds: its files, and going on where it stopped."""

import re
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

        def main(self, command):
            made.append(command)
            config = command[command.index("--config") + 1] if "--config" in command else command[0]
            return self.module.main([*command, *SMALL[config]])

    monkeypatch.setattr(demo, "COMMANDS", {name: Shrunken(module) for name, module in demo.COMMANDS.items()})
    return made


def test_demo(calls, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    assert [call[0] for call in calls] == ["fit", "fit", "reconstruct", "sample", "bench"]
    # On several devices, only the first run of a process would start the others.
    assert all("--trainer.devices" in call for call in calls if call[0] != "reconstruct")
    for name in ("samples/grid.png", "reconstructions/reconstructions.png", "bench/curves.png", "bench/sheet.png"):
        assert read_png(out / name).float().std() > 1
    rows = read(out / "bench")
    cells = {(row.place.method, row.place.budget) for row in rows if row.place.role == "report"}
    assert cells == {(method, budget) for method in ("SUNDAE", "Renoise") for budget in (1, 2)}
    # Nothing was tuned, so nothing says so.
    table, page = (out / "bench" / "table.md").read_text(), (out / "bench" / "report.html").read_text()
    assert "chosen at each budget" not in table + page
    said = capsys.readouterr().out
    # Each command is said as anyone can give it.
    assert [line.split()[1] for line in re.findall(r"^ +lightgen .*", said, re.M)] == [call[0] for call in calls]

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
    assert capsys.readouterr().err == "lightgen: interrupted; give the same command again to go on\n"
