"""Imports point one way, and heavy things are imported where they are needed."""

import ast
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import lightgen
from lightgen.cli.commands import COMMANDS

ROOT = Path(lightgen.__file__).parent
LAYERS = [
    {"types", "registry", "for_each"},
    {"functional"},
    {"layout", "condition", "clock", "prediction", "labels"},
    {"warps", "guidance", "schedules", "text_encoders", "scorers", "conditioners"},
    {"denoiser", "placing", "asking"},
    {"quantizers", "networks", "processes"},
    {"tokenizers", "samplers", "losses", "metrics"},
    {
        "acceleration",
        "hub",
        "pretrained",
        "migration",
        "checkpoint",
        "figures",
        "progress",
        "provenance",
        "windows",
        "recipe",
    },
    {"assembly"},
    {"inpainting", "editing", "references", "reranking", "settings", "given"},
    {"again", "made", "drawing"},
    {"prior", "cascade", "importers", "sampling", "model_card"},
    {"crossing"},
    {"data", "modules"},
    {"callbacks", "bench", "app"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
OTHERS = {"torch", "torchvision", "lightning", "torchmetrics", "timm", "rich", "matplotlib", "scipy", "jsonargparse"}
LIGHTNING = {"data", "modules", "callbacks", "bench", "cli"}


def imports(path):
    """What a file imports, anywhere in it, as dotted names: modules, and names that may be modules."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "import_module":
            yield from (argument.value for argument in node.args if isinstance(argument, ast.Constant))


def files():
    for path in sorted(ROOT.rglob("*.py")):
        part = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if part not in ("__init__", "__main__"):
            yield part, path


def test_imports_point_one_way():
    assert {part for part, _ in files()} == RANK.keys()
    wrong = []
    for part, path in files():
        for name in imports(path):
            other = name.split(".")[1] if name.startswith("lightgen.") else None
            if other in RANK and RANK[other] > RANK[part]:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_no_file_imports_itself_through_others():
    names = [".".join(path.relative_to(ROOT.parent).with_suffix("").parts) for _, path in files()]
    modules = {name.removesuffix(".__init__"): path for name, (_, path) in zip(names, files(), strict=True)}
    graph = {name: set(imports(path)) & modules.keys() for name, path in modules.items()}
    assert sum(map(len, graph.values())) > 500
    TopologicalSorter(graph).prepare()


def test_samplers_know_no_networks_processes_or_tokenizers():
    known = {name for part, path in files() if part == "samplers" for name in imports(path)}
    assert not [n for n in known if n.startswith(("lightgen.networks", "lightgen.processes", "lightgen.tokenizers"))]


def test_lightning_and_jsonargparse_stay_in_their_layers():
    for part, path in files():
        for name in imports(path):
            assert name.split(".")[0] != "lightning" or part in LIGHTNING, path
            assert name.split(".")[0] != "jsonargparse" or part == "cli", path


def test_help_imports_nothing_heavy():
    code = """
import sys
from lightgen.cli.main import main
try:
    main(["--help"])
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[-1] == "False" and len(lines) < 40
    for command in COMMANDS:
        assert any(line.strip().startswith(command) for line in lines)


def test_files_are_short():
    assert [str(p) for _, p in files() if len(p.read_text().splitlines()) > 350] == []


def test_nothing_private_of_other_projects_is_imported():
    """It may be gone in their next release."""
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            dotted = []
            if isinstance(node, ast.ImportFrom):
                dotted = [f"{node.module}.{alias.name}" for alias in node.names]
            elif isinstance(node, ast.Import):
                dotted = [alias.name for alias in node.names]
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                name = ast.unparse(node)
                dotted = [name] if name.split(".")[0] in OTHERS else []
            wrong += [
                f"{path.relative_to(ROOT)}: {name}"
                for name in dotted
                if not name.startswith(("lightgen", "__future__"))
                and any(part.startswith("_") and not part.endswith("__") for part in name.split("."))
            ]
    assert wrong == []


def test_every_text_file_is_read_and_written_as_utf8():
    """A locale that knows no other than ASCII would fail on the first other character, after all the work."""
    wrong = []
    for path in [*ROOT.rglob("*.py"), *(ROOT.parent / "benchmarks").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            given = {keyword.arg for keyword in node.keywords}
            modes = [str(a.value) for a in node.args if isinstance(a, ast.Constant)]
            opens_text = not node.args or any(re.fullmatch("[rwax]t?[+]?", mode) for mode in modes)
            takes_text = called in ("read_text", "write_text") or (called in ("open", "fdopen") and opens_text)
            starts = called in ("run", "Popen", "check_output") and "text" in given
            if (takes_text and "encoding" not in given) or starts:
                wrong.append(f"{path}: line {node.lineno}")
    assert wrong == []
