"""Layouts: boxes as tokens, from metadata to sampling; what is hidden, padded or broken."""

import json
import shlex
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from stubs import far_from_neutral

import lightgen
from lightgen.app.wish import questions, wish_of
from lightgen.cascade import Cascade
from lightgen.checkpoint import fingerprint
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.conditioners import Boxes, ClassLabel, LowResolution, Mixed
from lightgen.crossing import Axis, Crossing
from lightgen.data import CachedTokens, ImageFolder
from lightgen.data.encode import encode
from lightgen.functional.boxes import coverage, to_boxes
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.layout import Layout
from lightgen.modules.prior import conditioned
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.prior import Prior
from lightgen.processes import MaskGIT as MaskGITProcess
from lightgen.recipe import Recipe
from lightgen.registry import build, describe
from lightgen.samplers import MaskGIT
from lightgen.text_encoders import WordPieces
from lightgen.tokenizers import PixelTokenizer
from lightgen.warps import Warps

V, GRID = 7, (4, 4)
SMALL = {"dim": 16, "heads": 2, "dim_head": 8}
NETWORKS = {"flat": (Transformer, {"depth": 2}), "hourglass": (Hourglass, {"depth": (1, 1, 1)}),
            "causal": (CausalTransformer, {"depth": 4})}  # fmt: skip
ROWS = torch.tensor([[[2, 0, 0, 0.5, 1], [1, 0.5, 0.25, 1, 0.75]], [[0, 0, 0, 1, 1], [0, 0, 0, 0, 0]]])
NOTHING = torch.zeros(1, 2, 5)
CAT = {"label": "cat", "box": [0, 0, 0.5, 0.5]}


def texts(*rows):
    flat = torch.from_numpy(to_bytes([text for row in rows for text in row]))
    return flat.view(len(rows), -1, flat.shape[1])


def by_text(**more):
    return Boxes(encoder=WordPieces(num_pieces=300, max_length=4, dim=16, heads=2), max_boxes=3, **more)


def network(kind, conditioner):
    cls, sizes = NETWORKS[kind]
    made = far_from_neutral(cls, Layout(GRID, V), conditioner, **sizes, **SMALL)
    conditioner.learn(["red heart", "blue cat"])
    return made


def logits(made, ids, hidden=None, **tensors):
    return made(ids, None, made.context(Condition(tensors, hidden or {}), len(ids)))


def ids_of(batch):
    return Noise.of(1, batch).integers(0, 0, 16, V)


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("conditioner", [lambda: Boxes(3, max_boxes=3), by_text])
def test_hidden_padded_and_absent_are_the_same_to_the_bit(kind, conditioner):
    made, ids = network(kind, conditioner()), ids_of(2)
    said = texts(["red heart", "blue cat"], ["heart", ""])
    more = {} if made.conditioner.encoder is None else {"box_texts": said}
    told, none = logits(made, ids, boxes=ROWS, **more), logits(made, ids)
    assert torch.equal(made(ids), none) and (told - none).abs().amax((1, 2)).min() > 1e-2
    empty = {name: torch.zeros_like(tensor) for name, tensor in more.items()}
    assert torch.equal(logits(made, ids, boxes=torch.zeros_like(ROWS), **empty), none)
    # Whatever stands in rows of no extent.
    assert torch.equal(logits(made, ids, boxes=ROWS * torch.tensor([1.0, 0, 1, 0, 1]), **more), none)
    padded = {name: torch.nn.functional.pad(t, (0, 0, 0, 1)) for name, t in {"boxes": ROWS, **more}.items()}
    assert torch.equal(logits(made, ids, **padded), told)
    hidden = {name: torch.tensor([True, False]) for name in made.conditioner.names}
    some = logits(made, ids, hidden, boxes=ROWS, **more)
    assert torch.equal(some[0], none[0]) and torch.equal(some[1], told[1])
    moved = ROWS.clone()
    moved[0, 0, 1:] = torch.tensor([0.5, 0, 1, 1])
    assert (logits(made, ids, boxes=moved, **more)[0] - told[0]).abs().max() > 1e-3
    # The order of boxes says nothing.
    turned = {name: t.flip(1) for name, t in {"boxes": ROWS, **more}.items()}
    torch.testing.assert_close(logits(made, ids, **turned), told, rtol=1e-4, atol=1e-4)


def test_beside_a_class_and_rebuilt():
    mixed = build(describe(Mixed([ClassLabel(3), Boxes(3)])), "conditioner")
    assert mixed.attended and mixed.names == ("label", "boxes")
    made, ids = network("flat", mixed), ids_of(2)
    assert not torch.equal(logits(made, ids, boxes=ROWS), logits(made, ids))
    condition = mixed.complete(Condition({"boxes": ROWS}), Noise.of(0, 2))
    assert condition.tensors.keys() == {"boxes"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("cat", "boxes must be a list like"),
        ([{"label": "cat"}], 'box 0 must have a "box" and either a "label" or a "text"'),
        ([CAT, {"label": "cat", "text": "cat", "box": [0, 0, 1, 1]}], 'box 1 must have a "box" and either'),
        ([{"label": "cat", "box": [0, 0, 1.2, 1]}], "box 0 lies outside the picture, whose sides go from 0 to 1"),
        ([{"label": "cat", "box": [0, 0, float("nan"), 1]}], "box 0 lies outside the picture"),
        ([{"label": "cat", "box": [0.5, 0, 0.5, 1]}], "box 0 is empty: right must be more than left"),
        ([{"label": "cat", "box": [0, 0, 1]}], "box 0 must be four numbers"),
        ([{"text": 3, "box": [0, 0, 1, 1]}], "box 0 must have a text, not 3"),
        ([{"label": True, "box": [0, 0, 1, 1]}], "box 0 must have a class, not True"),
    ],
)
def test_what_is_no_box(given, message):
    with pytest.raises(ValueError, match=message):
        to_boxes(given)


def test_coverage_of_cells():
    assert coverage((0.25, 0, 1, 1), (1, 2)).tolist() == [0.5, 1]
    fine = coverage((0.1, 0.2, 0.7, 0.9), (8, 8))
    torch.testing.assert_close(fine.mean(), torch.tensor(0.6 * 0.7))
    torch.testing.assert_close(fine.view(4, 2, 4, 2).mean((1, 3)).flatten(), coverage((0.1, 0.2, 0.7, 0.9), (4, 4)))


def test_sizes_out_of_range():
    for options, message in (({"num_classes": 0}, "num_classes must be at least 1"), ({"bins": 0}, "bins must be"),
                             ({"num_classes": 2, "encoder": WordPieces()}, "num_classes or an encoder")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Boxes(**options)
    asked = {"boxes": torch.rand(1, 9, 5)}
    with pytest.raises(ValueError, match="pictures with 9 boxes, and max_boxes of Boxes is 8"):
        Boxes(2).require(Condition(asked))
    with pytest.raises(ValueError, match=r"classes of boxes must be in \[0, 1\]"):
        Boxes(2).require(Condition({"boxes": ROWS}))


def prior_of(conditioner, **network):
    torch.manual_seed(0)
    layout = Layout(GRID, 256)
    process = MaskGITProcess(256)
    made = Transformer(
        process.interface(layout, conditioner), **{**SMALL, "depth": 1, "positions": "learned"} | network
    )
    prior = Prior(PixelTokenizer(4), made, process, Recipe(MaskGIT(4), Warps(temperature=0.0)))
    prior.categories = {"boxes": ("cat", "dog")}
    return prior


def test_a_layout_is_learned_and_a_shuffled_one_is_chance():
    """What is in the quarter of a box is its class; the rest is empty."""
    prior = prior_of(Boxes(2, dropout=0.1, bins=4), dim=32, depth=4)
    quarters = torch.tensor([[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]])
    corner = torch.tensor([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]])

    def batch(seed, num):
        noise = Noise.of(seed, num)
        place, kind = noise.integers(0, 0, 4, 2**16).argsort(1)[:, :2], noise.integers(1, 0, 2, 2)
        boxes = torch.cat([kind.unsqueeze(-1).float(), quarters[place]], -1)
        value = (kind + 1).unsqueeze(-1).expand(-1, -1, 4).flatten(1)
        ids = torch.zeros(num, 16, dtype=torch.long).scatter(1, corner[place].flatten(1), value)
        return ids, Condition({"boxes": boxes})

    optimizer = torch.optim.AdamW(prior.parameters(), lr=5e-3)
    for step in range(120):
        ids, condition = batch(step, 32)
        noise = Noise.of(step, 32)
        told = prior.network.conditioner.hide(condition, noise)
        loss = prior.process.loss(conditioned(prior, told), ids, noise).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ids, condition = batch(10_000, 128)
    with torch.no_grad():
        right = (prior.eval().sample_ids(Noise.of(0, 128), condition=condition).ids == ids).float().mean()
        shuffled = condition.select(torch.arange(128).roll(1))
        wrong = (prior.sample_ids(Noise.of(0, 128), condition=shuffled).ids == ids).float().mean()
    chance = (ids == ids.roll(1, 0)).float().mean()
    assert right > 0.95 and abs(wrong - chance) < 0.07 and chance < 0.6


def test_asked_for_in_python():
    prior = prior_of(Boxes(2))
    condition = prior.condition(num_images=2, layout=[CAT, {"label": 1, "box": [0.5, 0, 1, 1]}])
    assert condition.tensors["boxes"].tolist() == [[[0, 0, 0, 0.5, 0.5], [1, 0.5, 0, 1, 1]]] * 2
    assert (
        prior.sample(layout=[[CAT], []], steps=1).shape[0] == 2
        and prior.sample(layout=[CAT, CAT], steps=1).shape[0] == 1
    )
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0] = False
    painted = [
        prior.inpaint(torch.zeros(1, 4, 4, dtype=torch.uint8), mask, layout=one, margin=0) for one in ([CAT], None)
    ]
    assert not torch.equal(*painted)
    crossing = Crossing(prior, prior.recipe, Axis("seed", (0, 1)), Axis("steps", (1,)), told=(("layout", [CAT]),))
    assert crossing.made().title.endswith("layout cat at 0 0 0.5 0.5, 1 evaluation")
    with pytest.raises(ValueError, match=r"no class is called 'dgo'.*dog"):
        prior.sample(layout=[{**CAT, "label": "dgo"}])
    with pytest.raises(ValueError, match='by a "label", not by a "text" such as \'cat\''):
        prior.sample(layout=[{"text": "cat", "box": [0, 0, 1, 1]}])
    with pytest.raises(ValueError, match="layout was given, but this prior was trained without layout; it knows label"):
        prior_of(ClassLabel(2)).sample(layout=[CAT])
    with pytest.raises(ValueError, match="leave out the canvas"):
        prior.sample(layout=[CAT], canvas=(2, 2))
    with pytest.raises(ValueError, match="layout must be one layout, or one for each of 2 pictures, not 3"):
        prior.sample(2, layout=[[CAT]] * 3)


def test_a_cascade_hands_boxes_to_every_prior_that_knows_them():
    low = prior_of(Boxes(2))
    level = LowResolution(low.layout(), fingerprint(low.tokenizer))
    cascade = Cascade([low, prior_of(Mixed([Boxes(2), level]))])
    dog = {"label": 1, "box": [0.5, 0, 1, 1]}
    assert len(cascade.condition(layout=[CAT, dog]).tensors["boxes"]) == 1
    one, other = cascade.sample(layout=[CAT, dog]), cascade.sample(layout=[[CAT, dog], [dog]])
    assert len(one) == 1 and len(other) == 2 and torch.equal(one, other[:1])
    mask = torch.ones(4, 4, dtype=torch.bool)
    mask[0] = False
    assert len(cascade.inpaint(torch.zeros(1, 4, 4, dtype=torch.uint8), mask, layout=[CAT, dog], margin=0)) == 1


def test_the_page_asks_for_no_boxes_and_says_so_of_pictures_that_have_some():
    prior = prior_of(Mixed([ClassLabel(2), Boxes(2)]))
    assert list(questions(prior)) == ["label"]
    settings = prior(layout=[CAT], label=0).settings[0]
    with pytest.raises(ValueError, match="the page has no boxes"):
        wish_of(settings, prior)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "pictures"
    root.mkdir()
    lines = []
    for i in range(12):
        Image.fromarray(np.full((4, 4), i * 20, np.uint8)).save(root / f"{i:02d}.png")
        found = [{"label": ("cat", "dog")[k % 2], "box": [0, 0, 0.5, (k + 1) / 4]} for k in range(i % 3)]
        lines.append({"file_name": f"{i:02d}.png", "boxes": found})
    write(root, lines)
    return root


def write(root, lines):
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))


def folder(root, **more):
    options = {"image_size": 4, "channels": 1, "batch_size": 4, "val_fraction": 0.3, "columns": ["boxes"]}
    return ImageFolder(str(root), **options | more)


def read(batches):
    return {int(i): row.tolist() for b in batches for i, row in zip(b["index"], b["condition"]["boxes"], strict=True)}


def test_boxes_in_data_and_token_caches(root, tmp_path):
    data = folder(root)
    assert data.conditions == {"boxes": ["cat", "dog"]}
    rows = read(data.train_dataloader())
    for number in rows:
        found = [[k % 2, 0, 0, 0.5, (k + 1) / 4] for k in range(int(data.dataset("train").names[number]) % 3)]
        assert rows[number] == found + [[0.0] * 5] * (2 - len(found))
    encode(tmp_path / "cache", PixelTokenizer(4), data)
    cached = CachedTokens(str(tmp_path / "cache"), batch_size=4)
    assert read(cached.train_dataloader()) == rows and cached.conditions == data.conditions
    Boxes(2).require_data(data.conditions)
    for conditioner, message in ((Boxes(3), "have 2 classes, but num_classes of Boxes is 3"),
                                 (by_text(), "have 2 classes and no texts")):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            conditioner.require_data(data.conditions)
    with pytest.raises(ValueError, match=r"the data have no boxes.*--data.columns \[boxes\]"):
        Boxes(2).require_data({"label": ["a"]})
    with pytest.raises(ValueError, match="mirror would turn pictures, but not their boxes"):
        folder(root, mirror=True).train_dataloader()
    with pytest.raises(ValueError, match="num_crops would cut windows"):
        encode(tmp_path / "other", PixelTokenizer(4), data, 2)


def test_texts_of_boxes_in_data(root):
    lines = [{"file_name": f"{i:02d}.png", "boxes": [{"text": f"thing {i}", "box": [0, 0, 1, 1]}]} for i in range(12)]
    write(root, lines)
    data = folder(root)
    assert data.conditions == {"boxes": [], "box_texts": []}
    assert data.train_captions() == [f"thing {int(name)}" for name in data.dataset("train").names]
    write(root, [*lines[1:], {**lines[0], "boxes": [CAT]}])
    with pytest.raises(ValueError, match="all boxes must have a label, or all a text"):
        _ = folder(root).collection
    write(root, [*lines[1:], {**lines[0], "boxes": [{"text": "x", "box": [0, 0, 2, 1]}]}])
    with pytest.raises(ValueError, match=r"boxes of 00.png: box 0 lies outside the picture"):
        _ = folder(root).collection


CONFIG = """
trainer: {max_steps: 2, limit_val_batches: 0, enable_progress_bar: false, logger: false}
model:
  class_path: PriorModule
  init_args:
    tokenizer: {class_path: PixelTokenizer, init_args: {image_size: 4}}
    network: {class_path: Transformer, init_args: {dim: 16, depth: 1, heads: 2, dim_head: 8, positions: learned}}
    process: {class_path: Absorbing}
    recipe:
      sampler: {class_path: MaskGIT, init_args: {steps: 2}}
    conditioner: {class_path: Boxes, init_args: {num_classes: 0}}
data:
  class_path: ImageFolder
  init_args: {image_size: 4, channels: 1, batch_size: 4, val_fraction: 0.3, test_fraction: 0.0, columns: [boxes]}
"""


def test_from_metadata_to_pictures_by_the_command_line(root, tmp_path, capsys):
    (tmp_path / "config.yaml").write_text(CONFIG)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        words = ["fit", "--config", str(tmp_path / "config.yaml"), "--data.root", str(root)]
        assert main([*words, "--trainer.default_root_dir", str(tmp_path / "run")]) == 0
        capsys.readouterr()
        prior = lightgen.load(tmp_path / "run" / "last.ckpt")
        assert prior.categories == {"boxes": ("cat", "dog")} and "pixels, layout, " in repr(prior)
        good, files = [CAT, {"label": "dog", "box": [0.5, 0, 1, 1]}], {}
        bad = {"outside": [{**CAT, "box": [0, 0, 2, 1]}], "unknown": [{**CAT, "label": "cow"}], "good": good}
        for name, boxes in bad.items():
            files[name] = tmp_path / f"{name}.json"
            files[name].write_text(json.dumps(boxes))
        files["broken"] = tmp_path / "broken.json"
        files["broken"].write_text("[{")
        files["missing"] = tmp_path / "missing.json"
        sample = ["sample", "--ckpt_path", str(tmp_path / "run" / "last.ckpt"), "--num_images", "2"]
        out = ["--out", str(tmp_path / "out")]
        said = {"outside": "outside.json: box 0 lies outside", "unknown": "no class is called 'cow'",
                "broken": "broken.json is no JSON", "missing": "no file of boxes at"}  # fmt: skip
        for name, message in said.items():
            assert main([*sample, *out, "--layout", str(files[name])]) == 2
            error = capsys.readouterr().err.strip()
            assert message in error and "\n" not in error and not (tmp_path / "out").exists()
        assert main([*sample, *out, "--layout", str(files["good"])]) == 0
    record = json.loads((tmp_path / "out" / "samples.json").read_text())
    assert json.loads(record["layout"]) == good
    assert record["asked"] == [{"layout": "cat at 0 0 0.5 0.5; dog at 0.5 0 1 1"}] * 2
    image = Image.open(tmp_path / "out" / "000000.png")
    assert torch.equal(torch.from_numpy(np.array(image))[None], prior.sample(2, layout=good)[0])
    capsys.readouterr()
    assert main(["show", str(tmp_path / "out" / "000000.png")]) == 0
    about, command, *_ = capsys.readouterr().out.splitlines()
    assert "seed 0, cat at 0 0 0.5 0.5; dog at 0.5 0 1 1, by MaskGIT" in about
    again = shlex.split(command)[1:-1]
    files["good"].unlink()
    for words in (again, ["sample", "--from", str(tmp_path / "out" / "000000.png"), "--out"]):
        assert main([*words, str(tmp_path / "again"), "--overwrite"]) == 0
        assert (np.array(Image.open(tmp_path / "again" / "000000.png")) == np.array(image)).all()
    assert main([*again, str(tmp_path / "bad"), "--layout", "[{"]) == 2
    assert "the layout is no JSON" in capsys.readouterr().err
    for layout in (good, [good, good]):
        made = prior(2, layout=layout)
        assert [json.loads(one["layout"]) for one in made.settings] == [good, good]
        assert torch.equal(made.tensor, prior.sample(2, layout=good))
