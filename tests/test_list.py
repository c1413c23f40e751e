"""`lightgen list`, and the help of every command."""

import importlib
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lightgen
from lightgen import pretrained as zoo
from lightgen.checkpoint import export
from lightgen.cli import fit, init_from
from lightgen.cli.catalogue import entry_of, read_sources
from lightgen.cli.commands import COMMANDS, EXAMPLES
from lightgen.cli.configs import CONFIGS, SUITES, locate
from lightgen.cli.main import main
from lightgen.cli.progress import progress_bar
from lightgen.functional.files import save_json
from lightgen.registry import components

ROOT = Path(__file__).parents[1]


def test_list_shows_every_component_with_what_it_is(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    shipped = [component for component in components() if component.__module__.startswith("lightgen.")]
    for component in shipped:
        assert f"  {component.name if component.kind == 'importer' else component.__name__} " in shown
        assert (component.__doc__ or "").strip() and component.source, component
    assert main(["list", "sampler"]) == 0
    lines = capsys.readouterr().out.splitlines()
    where = next(i for i, line in enumerate(lines) if line.startswith("  SUNDAE "))
    assert lines[0] == "sampler" and "uniform noise; McKinney" in lines[where + 1]


def test_what_the_sources_say_is_what_the_classes_are():
    shipped = [component for component in components() if component.__module__.startswith("lightgen.")]
    assert read_sources() == [entry_of(component) for component in shipped]


def test_list_waits_for_nothing_and_for_nobody():
    code = (
        "import sys; from lightgen.cli.main import main; main(['list', *sys.argv[1:]]); print('torch' in sys.modules)"
    )
    for kind in ([], ["zoo"], ["sampler", "--table"]):
        done = subprocess.run([sys.executable, "-c", code, *kind], capture_output=True, text=True, check=True)
        assert done.stdout.endswith("False\n")
    command = f"{sys.executable} -m lightgen list | head -1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 141) and not done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "usage: " in capsys.readouterr().out


LONG = ["sample", "inpaint", "reconstruct", "encode", "import", "bench", "fit", "validate", "test"]


def helped(capsys, *args):
    with pytest.raises(SystemExit):
        main(list(args))
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def parsers():
    others = {name: importlib.import_module(f"lightgen.cli.{module}") for name, (module, _) in COMMANDS.items()}
    return {**{name: module.parser() for name, module in others.items() if hasattr(module, "parser")}, **fit.grammar()}


CATEGORY = "--style"
"""An option that only some priors have."""


@pytest.mark.parametrize("command", LONG)
def test_help_is_one_screen_with_examples_that_work(command, parsers, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    text = helped(capsys, command, "--help")
    assert len(text.splitlines()) <= 50
    assert not re.search(r"<class|:\w+:`|CLASS_PATH|INIT_ARG|``|trainer\.max_epochs", text)
    parser = parsers[command]
    # What this option stands for is in the parser.
    known = {option for action in parser._actions for option in action.option_strings} | {init_from.OPTION, CATEGORY}
    for example in EXAMPLES[command]:
        words = shlex.split(example, comments=True)
        assert words[:2] == ["lightgen", command] and f"  {example}" in text
        for word in words[2:]:
            assert not word.startswith("--") or word in known or word.partition(".")[0] in known, word


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
THEIRS = ("mine.yaml", "halton.yaml")
"""Suites that a page tells how to write."""


def commands(page):
    """The words of each `lightgen` command in the shell blocks of a page."""
    blocks = re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = [line for block in blocks for line in re.split(r"\n|&&", block.replace("\\\n", ""))]
    return [shlex.split(line, comments=True) for line in lines if line.strip().startswith("lightgen ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_the_docs_work(page, parsers):
    for words in commands(page):
        assert words[1] in COMMANDS, words
        if words[1] not in parsers or words[1] == "import":
            continue
        known = {option for action in parsers[words[1]]._actions for option in action.option_strings}
        for option, value in zip(words[2:], [*words[3:], ""], strict=True):
            if option.startswith("--"):
                assert {option, option.partition(".")[0]} & {*known, init_from.OPTION, CATEGORY}, words
            if option == "--config" and value not in THEIRS and "$" not in value:
                assert Path(locate(value, SUITES if words[1] == "bench" else CONFIGS)).is_file()


FIRST = ("README", "index", "start", "gallery", "conditions", "guidance", "which-sampler")
"""Pages whose commands people give one after the other, in one folder."""


def test_commands_of_the_first_pages_write_to_folders_of_their_own():
    folders = {}
    for words in (words for page in PAGES if page.stem in FIRST for words in commands(page)):
        if words[1] in ("sample", "inpaint", "edit", "grid") and not words[2].endswith(".help"):
            folders.setdefault(words[words.index("--out") + 1], set()).add(shlex.join(words))
    assert len(folders) > 15 and [several for several in folders.values() if len(several) > 1] == []


def test_a_second_word_shows_more(capsys):
    trainer = helped(capsys, "sample", "--help", "trainer")
    assert "--trainer.max_epochs N" in trainer and "--num_images" not in trainer
    assert not re.search(r"<class|:\w+:`|``", trainer)
    everything = helped(capsys, "fit", "--help", "all")
    assert "--trainer.max_epochs N" in everything and "--checkpoints.every_n_train_steps" in everything
    assert main(["sample", "--help", "weather"]) == 2
    assert "there is no help on 'weather'" in capsys.readouterr().err
    sampler = helped(capsys, "sample", "--sampler.help", "SUNDAE")
    assert sampler.startswith("SUNDAE: Draw a proposal") and "--sampler.patience N" in sampler
    assert main(["sample", "--sampler.help", "sundae"]) == 2
    assert "--sampler.help cannot be 'sundae'; did you mean 'SUNDAE'?" in capsys.readouterr().err


def test_help_of_fit_and_validate_has_the_short_ways(capsys):
    (line,) = (line for line in helped(capsys, "fit", "--help").splitlines() if line.startswith("  --init_from"))
    assert "weights" in line
    assert "lightgen validate --ckpt_path runs/emoji64/last.ckpt\n" in helped(capsys, "validate", "--help")


def test_completion(capsys):
    assert main(["--print_shtab", "bash"]) == 0
    script = capsys.readouterr().out
    assert "--ckpt_path" in script and "reconstruct" in script and len(script) < 100_000


def test_the_docs_have_the_table_of_samplers(capsys):
    assert main(["list", "sampler", "--table"]) == 0
    table = capsys.readouterr().out
    assert table in (ROOT / "docs" / "which-sampler.md").read_text(encoding="utf-8")
    assert main(["list", "guidance", "--table"]) == 2


def test_the_zoo_has_names(prior_checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    export(prior_checkpoint, tmp_path / "tiny", half=True)
    save_json({"about": "shapes"}, tmp_path / "tiny" / zoo.CARD)
    assert main(["list", "zoo"]) == 0
    assert capsys.readouterr().out.split() == ["zoo:tiny", "shapes"]
    half, whole = lightgen.load("zoo:tiny"), lightgen.load(prior_checkpoint)
    assert half.network.state_dict().keys() == whole.network.state_dict().keys()
    for name, weight in half.state_dict().items():
        other = whole.state_dict()[name]
        assert weight.dtype == other.dtype and torch.allclose(weight, other, rtol=1e-3, atol=1e-6), name
    assert main(["sample", "--ckpt_path", "zoo:tini", "--out", str(tmp_path / "out")]) == 2
    assert "no model is called zoo:tini; did you mean 'zoo:tiny'?" in capsys.readouterr().err
    args = ["sample", "--ckpt_path", "zoo:tiny", "--num_images", "2", "--out", str(tmp_path / "out")]
    assert main(args) == 0 and (tmp_path / "out" / "grid.png").is_file()


def test_a_bar_leaves_nothing_in_a_log(capsys):
    with progress_bar("counting", 3, "pictures") as advance:
        for _ in range(3):
            advance(1)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_bar_says_what_it_counts_and_goes_away(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with progress_bar("counting", 2000, "pictures") as advance:
        advance(1000)
    said = capsys.readouterr().out
    assert "counting" in said and "1000/2000" in said and "pictures" in said and not said.endswith("\n")
