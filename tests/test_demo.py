"""The demo, at a size of seconds: its files, and going on where it stopped."""

import json

import pytest

from lightgen.cli import demo
from lightgen.cli.main import main
from lightgen.figures import read_png

SMALL = {
    "emoji64-tokenizer.yaml": ["--model.tokenizer.width", "8", "--trainer.max_steps", "2"],
    "emoji64.yaml": ["--model.network.dim", "16", "--model.network.depth", "[1, 1, 1]", "--trainer.max_steps", "2"],
}


@pytest.fixture
def small(monkeypatch):
    calls, fit = [], demo.fit.main

    def shrunken(command):
        calls.append(command)
        config = command[command.index("--config") + 1]
        return fit([*command, *SMALL[config], "--trainer.limit_val_batches", "1", "--trainer.val_check_interval", "5"])

    monkeypatch.setattr(demo.fit, "main", shrunken)
    monkeypatch.setattr(demo, "STEP_COUNTS", (1, 2))
    monkeypatch.setattr(demo, "NUM_IMAGES", 8)
    monkeypatch.setattr(demo, "BATCH", 4)
    return calls


def test_demo(small, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out)]) == 0
    for name in ("samples.png", "reconstructions.png", "curve.png"):
        assert read_png(out / name).float().std() > 1
    report = (out / "report.md").read_text()
    rows = json.loads((out / "scores.json").read_text())["rows"]
    assert set(rows) == {"1", "2", "independent tokens", "training pictures", "training pictures, reconstructed"}
    assert "SUNDAE, 2 steps" in report and "KID(efficientnet-lite0)" in report and "fingerprint" in report
    assert abs(rows["training pictures"]["KID(efficientnet-lite0)"]) < 0.1
    said = capsys.readouterr().out
    assert "lightgen fit --config emoji64-tokenizer.yaml" in said and "samples.png" in said
    assert len(small) == 2
    # Again: nothing is trained or scored anew, what is missing is written again.
    (out / "report.md").unlink()
    assert main(["demo", "--out", str(out)]) == 0
    assert len(small) == 2 and (out / "report.md").read_text() == report
