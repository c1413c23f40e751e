"""The documentation builds without a warning, fetches nothing, says what is true. `make docs` runs its notebooks."""

import json
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import yaml

import lightgen

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built pages, notebooks not run, from a copy of the sources, because Sphinx writes beside them."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", root / "docs", ignore=shutil.ignore_patterns("_build", "generated"))
    # Not a link, whose links would be counted from where it leads to.
    shutil.copy(ROOT / "CONTRIBUTING.md", root)
    (root / "benchmarks").symlink_to(ROOT / "benchmarks")
    # In a process of its own, as autodoc loads modules anew, whose classes then are not those that others have.
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", "-d", root / "doctrees", "-D", "nb_execution_mode=off",
         root / "docs", root / "html"], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (built.returncode, built.stderr) == (0, "")
    return root / "html"


def test_the_site_builds_without_a_warning(site):
    for page in ("index", "start", "concepts", "which-sampler", "training", "api", "contributing", "notebooks/sample"):
        assert (site / f"{page}.html").stat().st_size > 5000, page
    maskgit = (site / "generated" / "lightgen.samplers.html").read_text(encoding="utf-8")
    assert 'id="lightgen.samplers.MaskGIT"' in maskgit and "choice_temperature" in maskgit
    prior = (site / "api.html").read_text(encoding="utf-8")
    assert "&gt;&gt;&gt; " in prior and 'id="lightgen.Prior.sample"' in prior


def test_the_site_fetches_nothing(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"<(?:script|img|iframe|source)[^>]*src=\"(?:https?:)?//[^\"]*", text), path
        assert not re.findall(r"<link[^>]*rel=\"(?!canonical)[^>]*href=\"(?:https?:)?//[^\"]*", text), path


def test_the_readme_is_a_screen_and_a_half():
    assert len(README.splitlines()) <= 130
    links = re.findall(r"\]\(([^)#\s]+)|src=\"([^\"]+)\"", README)
    for target in (one or other for one, other in links):
        if not target.startswith(("http", "../../actions")):
            assert (ROOT / target).exists(), target


def test_every_shipped_config_is_said_to_be_run_or_not():
    said = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    table = said[said.index("## Every shipped config") : said.index("## Priors of the zoo")]
    for path in [*(ROOT / "configs" / "prior").iterdir(), *(ROOT / "configs" / "tokenizer").iterdir()]:
        named = f"`{path.stem}`" in table
        with_its_prior = f"`{path.stem.removesuffix('-tokenizer')}`" in table and "tokenizers" in table
        assert named or with_its_prior, path.stem


def test_figures_of_the_zoo_are_those_of_its_cards():
    said = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for card in (Path(lightgen.__file__).parent / "weights").glob("*/card.json"):
        made = json.loads(card.read_text(encoding="utf-8"))
        scores = made["scores"]
        if "bits per fine token" in scores:
            assert f"{scores['bits per fine token']:.2f} bits a token" in said and f"{scores['psnr']:.2f} dB" in said
            continue
        if "psnr" in scores:
            assert f"PSNR {scores['psnr']:.2f} dB" in said and f"perplexity {scores['codebook_perplexity']:.0f}" in said
            continue
        (row,) = (line for line in said.splitlines() if line.startswith(f"| `{card.parent.name}`"))
        kid = "KID(efficientnet-lite0)"
        assert f"{scores[kid]:.3f} ± {scores[f'{kid} standard error']:.3f}" in row and f"{made['seconds']:.0f} |" in row
        assert f"{scores['bits per token']:.2f}" in row if "bits per token" in scores else "no likelihood" in row


@pytest.mark.parametrize("name", ["README.md", "docs/start.md"])
def test_python_of_the_first_pages_runs(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variables: dict = {}
    for block in re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL):
        exec(block, variables)
    assert (tmp_path / "officer.png").exists() and variables["prior"].decode


def test_the_sampler_of_the_guide_runs_as_it_is_written(tmp_path):
    said = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = textwrap.dedent(re.search(r" {3}```python\n(.*?) {3}```", said, re.DOTALL)[1])
    (tmp_path / "fixed_count.py").write_text(code, encoding="utf-8")
    # In a process of its own, or other tests would find one sampler more.
    draw = "lightgen.load('zoo:icons64-sundae').sample(2, sampler='FixedCount', steps=3)"
    command = [sys.executable, "-c", f"import fixed_count, lightgen; print(tuple({draw}.shape))"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("(2, 3, 64, 64)\n", "")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_committed_without_outputs(path):
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    assert cells and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)


def test_what_is_said_of_the_package_is_true():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "python-3.11%2B" in README and project["requires-python"] == ">=3.11"
    assert "licence-Apache--2.0" in README and project["license"] == "Apache-2.0"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == lightgen.__version__ and citation["license"] == project["license"]
    for path in (ROOT / ".github").rglob("*.yml"):
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path
