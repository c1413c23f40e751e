"""`lightgen list`, and the help of every command."""

import pytest

from lightgen.cli.main import COMMANDS, main
from lightgen.registry import components


def test_list_shows_every_component_with_what_it_is(capsys):
    assert main(["list"]) == 0
    shown = capsys.readouterr().out
    for component in components():
        assert f"  {component.__name__} " in shown
        assert (component.__doc__ or "").strip() and component.source, component
    assert main(["list", "sampler"]) == 0
    lines = capsys.readouterr().out.splitlines()
    where = next(i for i, line in enumerate(lines) if line.startswith("  SUNDAE "))
    assert lines[0] == "sampler" and "uniform noise; McKinney" in lines[where + 1]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert "usage: " in capsys.readouterr().out


def test_completion(capsys):
    assert main(["--print_shtab", "bash"]) == 0
    script = capsys.readouterr().out
    assert "--ckpt_path" in script and "reconstruct" in script and len(script) < 100_000
