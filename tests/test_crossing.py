"""The same pictures over two settings: what stands in which cell, the sheet, the page, and the real command."""

import base64
import io
import re

import pytest
import torch

import lightgen
from lightgen.again import read
from lightgen.cli.main import main
from lightgen.crossing import Axis, Crossing
from lightgen.functional.embedded import embedded

PRIOR = "zoo:icons64-absorbing"


@pytest.fixture(scope="module")
def prior():
    return lightgen.load(PRIOR)


def crossing(prior, x, y, **more):
    return Crossing(prior, prior.recipe, Axis.read(x), Axis.read(y), **more)


@pytest.mark.parametrize(
    ("text", "values"),
    [("steps=4,8", (4, 8)), (" a.b = 0.5", (0.5,)), ("label=Flags, 'no, way'", ("Flags", "no, way")),
     ('text=["a, b", c]', ("a, b", "c")), ("text=flag: Japan,pizza", ("flag: Japan", "pizza")),
     ("warps.top_k=null,3", (None, 3))],
)  # fmt: skip
def test_an_axis_is_read_as_it_is_typed(text, values):
    assert Axis.read(text) == Axis(text.partition("=")[0].strip(), values)


@pytest.mark.parametrize("text", ["steps", "steps=", "=4", "steps=[", "steps={a: 1, b: 2}", "steps=[[1]]", ""])
def test_an_axis_that_is_none_is_one_line(text):
    with pytest.raises(ValueError, match="an axis is a setting and its values, as steps=4,8,16, not"):
        Axis.read(text)


def test_each_cell_is_what_prior_sample_gives(prior):
    made = crossing(
        prior, "steps=1,2", "sampler=MaskGIT,Halton", num_images=2, seed=3, told=(("label", "Flags"),)
    ).made()
    places = [(sampler, steps) for sampler in ("MaskGIT", "Halton") for steps in (1, 2)]
    for (sampler, steps), cell in zip(places, made.cells, strict=True):
        assert torch.equal(cell.tensor, prior.sample(2, sampler=sampler, steps=steps, seed=3, label="Flags"))
        assert cell.settings[1]["sampler"]["arguments"]["steps"] == steps and cell.settings[1]["label"] == 2
    assert [cell.evaluations for cell in made.crossing.cells()] == [2, 4, 2, 4]
    assert "<small>2 evaluations</small>" in made.table() and "evaluations" not in made.title
    # Where they are all the same, they are said once.
    plain = crossing(prior, "seed=5,6", "label=Flags,0", num_images=2).made()
    assert "evaluations" not in plain.table() and plain.title.endswith(" evaluations")
    assert made.png().shape[1] > plain.png().shape[1]
    # A sampler comes with its own defaults, and steps are of it whichever axis they stand on.
    turned = crossing(prior, "sampler=MaskGIT,Halton", "steps=1,2").cells()
    assert [cell.recipe.sampler.steps for cell in turned] == [1, 1, 2, 2]


def test_arguments_of_parts_seeds_and_classes_are_axes(prior):
    cells = crossing(prior, "warps.top_k=null,3", "guidance.scale=1,4").cells()
    assert [(c.recipe.warps.top_k, c.recipe.guidance.scale) for c in cells] == [(None, 1), (3, 1), (None, 4), (3, 4)]
    made = crossing(prior, "seed=5,6", "label=Flags,0", told=(("label", 1),)).made()
    assert torch.equal(made.cells[3].tensor, prior.sample(1, seed=6, label=0))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ("steps=1", "steps=2", "x and y must be two settings, not steps twice"),
        ("step=1", "seed=1", "no setting is called step; there are sampler, steps, temperature, guidance,"),
        ("sampler=SUNDAE", "seed=1", "the sampler SUNDAE does not fit a prior trained with absorbing noise"),
        ("sampler=MaskGot", "seed=1", "no sampler is called 'MaskGot'; did you mean 'MaskGIT'?"),
        ("steps=0", "seed=1", "steps must be at least 1, not 0"),
        ("sampler.update=1", "seed=1", "MaskGIT takes .*, and no update"),
        ("warps.top_k=few", "seed=1", "warps.top_k cannot be 'few'"),
        ("label=Flagg", "seed=1", "no class is called 'Flagg'; did you mean 'Flags'?"),
        ("label=0", "seed=a", "seed must be a whole number, not 'a'"),
        ("seed=" + ",".join(map(str, range(21))), "steps=" + ",".join(map(str, range(1, 21))), "400 cells at most"),
    ],
)
def test_what_makes_no_sense_is_said_before_any_work(prior, x, y, message):
    with pytest.raises(ValueError, match=message):
        crossing(prior, x, y)


def test_the_command_writes_a_sheet_and_a_page_whose_pictures_know_what_made_them(prior, tmp_path, capsys):
    args = ["grid", "--ckpt_path", PRIOR, "--x", "steps=1,2", "--y", "temperature=0.5,1", "--num_images", "2"]
    assert main([*args, "--seed", "4", "--label", "Flags", "--out", str(tmp_path / "g")]) == 0
    assert capsys.readouterr().out.endswith("grid.html and grid.png beside it\n")
    page = (tmp_path / "g" / "grid.html").read_text()
    files = re.findall(r'src="data:image/png;base64,([^"]+)" alt="picture (\d)" title="([^"]+)"', page)
    assert len(files) == 8 and "temperature 0.5" in page and "steps 2" in page
    data, index, how = files[7]
    found = embedded(io.BytesIO(base64.b64decode(data)), "x")
    assert (found["index"], index) == (1, "1") and found["warps"]["arguments"]["temperature"] == 1
    assert how.startswith(f"lightgen sample --ckpt_path {PRIOR} --label 2 --sampler MaskGIT --sampler.steps 2")
    assert read(tmp_path / "g" / "grid.png")["x"] == "steps=1,2"
    # The sheet again, of another seed.
    again = ["grid", "--from", str(tmp_path / "g" / "grid.png"), "--seed", "5", "--out", str(tmp_path / "h")]
    assert main(again) == 0
    before, after = (read(tmp_path / name / "grid.png") for name in "gh")
    assert {**after, "seed": 4} == before
    # A folder holds one sheet.
    assert main([*again[:-1], str(tmp_path / "g")]) == 2
    assert "holds pictures made with seed 4, not 5" in capsys.readouterr().err
    assert main(["sample", "--ckpt_path", PRIOR, "--out", str(tmp_path / "g")]) == 2
    assert "holds what another command made (grid.json)" in capsys.readouterr().err
