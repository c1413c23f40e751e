"""Text, class and style: from columns of the data through training and checkpoints to Python and the command line."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Trainer
from pictures import folder as picture_folder

import lightgen
from lightgen.bench.runner import Runner
from lightgen.checkpoint import export
from lightgen.cli.following import fill_in
from lightgen.cli.init_from import config_of
from lightgen.cli.main import main
from lightgen.cli.many_devices import TRAINER_DEFAULTS
from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, Mixed
from lightgen.data import CachedTokens, ImageFolder
from lightgen.data.encode import encode
from lightgen.data.held_out import held_out
from lightgen.figures import read_png, sheet
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes, to_texts
from lightgen.guidance.base import ALL, Branch
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.protocols import Custom
from lightgen.metrics.scores import RecallScore
from lightgen.migration import migrate
from lightgen.modules import PriorModule
from lightgen.tokenizers import PixelTokenizer

STYLES = ("fx", "noto", "tw")
FOLDER = {"image_size": 8, "channels": 1, "batch_size": 4, "val_fraction": 0.3, "test_fraction": 0.0, "labels": True,
          "captions": "text", "columns": ["style"]}  # fmt: skip
CONFIG = """
seed_everything: 0
trainer:
  max_steps: 2
  val_check_interval: 2
  check_val_every_n_epoch: null
  enable_progress_bar: false
  logger: false
  callbacks:
    - class_path: lightgen.callbacks.Generation
      init_args: {num_images: 4, features: null}
model:
  class_path: PriorModule
  init_args:
    tokenizer: {class_path: PixelTokenizer, init_args: {image_size: 8}}
    network: {class_path: Transformer, init_args: {dim: 16, depth: 1, heads: 2, dim_head: 8}}
    process: {class_path: Absorbing}
    recipe:
      sampler: {class_path: MaskGIT, init_args: {steps: 2}}
      guidance: {class_path: ConstantGuidance, init_args: {scale: 2}}
    conditioner:
      class_path: Mixed
      init_args:
        parts:
          - {class_path: ClassLabel, init_args: {num_classes: 0}}
          - {class_path: ClassLabel, init_args: {num_classes: 0, name: style}}
          - {class_path: ClassLabel, init_args: {num_classes: 0, name: colour}}
          - {class_path: Text, init_args: {encoder: {class_path: WordPieces, init_args: {dim: 8, heads: 2}}}}
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 1.0e-1}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with pictures, of which five have no style, and with a prior that knows all that is said of them."""
    root = tmp_path_factory.mktemp("asking")
    pictures = picture_folder(root / "pictures", 30)
    lines = []
    for i, path in enumerate(sorted(pictures.rglob("*.png"))):
        style = {"style": STYLES[i % 3]} if i % 6 else {}
        name = path.relative_to(pictures).as_posix()
        lines.append(json.dumps({"file_name": name, "text": [f"thing {i}", f"the {i}"], **style}))
    (pictures / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    data = {"class_path": "ImageFolder", "init_args": {**FOLDER, "root": str(pictures)}}
    (root / "config.yaml").write_text(CONFIG + yaml.safe_dump({"data": data}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        words = ["fit", "--config", str(root / "config.yaml"), "--trainer.default_root_dir", str(root / "run")]
        assert main(words) == 0
    return root


@pytest.fixture(scope="module")
def prior(run):
    return lightgen.load(run / "run" / "last.ckpt")


def folder(run, **options):
    return ImageFolder(str(run / "pictures"), **FOLDER | options)


def test_what_the_data_say_is_in_the_checkpoint(run, prior, tmp_path):
    assert prior.categories == {"label": ("cats", "dogs"), "style": STYLES} and prior.classes == ("cats", "dogs")
    assert [getattr(part, "num_classes", None) for part in prior.network.conditioner.parts] == [2, 3, None]
    assert "pixels, label, style, text, " in repr(prior)
    export(run / "run" / "last.ckpt", tmp_path / "exported")
    assert lightgen.load(tmp_path / "exported").categories == prior.categories
    # A training that goes on from it counts the values anew.
    conditioner = config_of(str(run / "run" / "last.ckpt"))["model"]["init_args"]["conditioner"]
    numbers = [part["init_args"].get("num_classes") for part in conditioner["init_args"]["parts"]]
    assert numbers == [0, 0, None]


def test_the_names_of_classes_in_checkpoints_of_before():
    for classes, expected in ((["a", "b"], {"label": ["a", "b"]}), ([], {}), (None, {})):
        entry = {"version": "0.2.0", "component": None, "classes": classes}
        migrate(contents := {"lightgen": entry}, "lightgen")
        assert contents["lightgen"] == {"version": "0.2.0", "component": None, "categories": expected}


@pytest.mark.filterwarnings("ignore")
def test_a_word_that_is_missing_is_hidden_through_loaders_caches_and_training(run, prior, tmp_path):
    data = folder(run)
    assert data.conditions == {"label": ["cats", "dogs"], "style": list(STYLES), "caption": []}
    encode(tmp_path, PixelTokenizer(8), data)
    cached = CachedTokens(str(tmp_path), batch_size=4)
    assert cached.conditions == data.conditions and cached.class_names == data.class_names
    count = 0
    for split in ("train", "val"):
        numbers = list(range(len(data.dataset(split))))
        said, again = data.dataset(split).described(numbers), cached.dataset(split).described(numbers)
        for part in ("condition", "hidden"):
            assert said[part].keys() == again[part].keys()
            assert all(torch.equal(tensor, again[part][name]) for name, tensor in said[part].items())
        assert said["condition"]["style"].min() >= 0
        count += int(said["hidden"]["style"].sum())
    assert count == 5
    batch = data.dataset("val").__getitems__(numbers)
    module = PriorModule.__new__(PriorModule)
    torch.nn.Module.__init__(module)
    module.prior = prior
    told = module.prior.told(batch)
    assert set(told.tensors) == {"label", "style", "caption"} and torch.equal(
        told.hidden["style"], said["hidden"]["style"]
    )


@pytest.mark.filterwarnings("ignore")
def test_a_missing_word_is_said_and_a_missing_number_is_left_out(run, tmp_path):
    with pytest.warns(UserWarning, match="5 of 30 pictures have no style, which is hidden for them$"):
        assert len(folder(run).collection.identities) == 30
    shutil.copytree(run / "pictures", tmp_path / "pictures")
    lines = [json.loads(line) for line in (tmp_path / "pictures" / "metadata.jsonl").read_text().splitlines()]
    written = [line | ({"age": i} if i else {}) for i, line in enumerate(lines)]
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(map(json.dumps, written)))
    with pytest.warns(
        UserWarning, match="1 of 30 pictures have no age and are left out; 4 of 30 pictures have no style"
    ):
        data = folder(tmp_path, columns=["age", "style"])
        assert len(data.collection.identities) == 29 and data.conditions["age"] == []
    model = {"init_args": {"conditioner": {"class_path": "ClassLabel", "init_args": {"num_classes": 0, "name": "age"}}}}
    section = {
        "class_path": "lightgen.data.ImageFolder",
        "init_args": {**FOLDER, "root": str(tmp_path / "pictures"), "columns": ["age"]},
    }
    with pytest.raises(ValueError, match="the data have numbers for age, so num_classes must say how many there are"):
        fill_in(model, section)


def test_data_of_other_values_are_refused():
    part = ClassLabel(3, name="style")
    part.require_data(None)
    part.require_data({"style": STYLES})
    with pytest.raises(ValueError, match="the data have 2 values of style, but num_classes of the conditioner is 3"):
        part.require_data({"style": ["a", "b"]})
    with pytest.raises(ValueError, match=r"the data have no style, but .* is 3; --data.columns \[style\] reads that"):
        Mixed([part]).require_data({"label": ["a"]})
    with pytest.raises(ValueError, match="name must be an identifier, not 'my style'"):
        ClassLabel(3, name="my style")


def test_what_is_left_open(prior):
    noise = Noise.of(0, 200)
    drawn = prior.completed(None, noise)
    label, style = drawn.tensors["label"], drawn.tensors["style"]
    # Each draws for itself, and what is asked for is not contradicted.
    assert {*zip(label.tolist(), style.tolist(), strict=True)} == {(a, b) for a in range(2) for b in range(3)}
    assert "caption" not in drawn.tensors
    for asked in ({"text": "fox"}, {"label": 1}, {"style": "noto"}):
        assert len(prior.completed(prior.condition(num_images=200, **asked), noise).tensors) == 1
    nothing = prior.unconditional(3)
    assert {name: hidden.tolist() for name, hidden in nothing.hidden.items()} == {
        "label": [True] * 3,
        "style": [True] * 3,
    }
    told = prior.sample_ids(Noise.of(0, 3), condition=nothing)
    never = prior.sample_ids(
        Noise.of(0, 3), prior.recipe.replace(guidance=None), Condition(nothing.tensors, nothing.hidden)
    )
    assert torch.equal(told.ids, never.ids)


def test_from_python(prior):
    hearts = prior.sample(3, text="a red heart", style="noto", label="dogs")
    assert torch.equal(hearts, prior.sample(3, text="a  red heart ", style=1, label=1, batch_size=2))
    condition = prior.condition("dogs", 3, text="a red heart", style="noto")
    assert to_texts(condition.tensors["caption"].numpy()) == ["a red heart"] * 3
    assert torch.equal(prior.decode(prior.sample_ids(Noise.of(0, 3), condition=condition).ids), hearts)
    assert torch.equal(prior.decode(prior.iterate(Noise.of(0, 3), condition=condition).run().ids), hearts)
    # One picture for each text of a list, whatever stands beside it.
    several = prior.sample(text=["a red heart", "the fox that ran"], style=["noto", "fx"], label="dogs")
    assert len(several) == 2 and torch.equal(several[0], hearts[0]) and not torch.equal(several[1], hearts[1])
    assert not torch.equal(prior.sample(3, text="the fox"), prior.sample(3, text="a red heart"))
    mask = torch.zeros(8, 8, dtype=torch.bool)
    mask[4:] = True
    painted = prior.inpaint(hearts[0], mask, text=["a red heart", "the fox"], negative_text="blue", composite=True)
    assert len(painted) == 2 and torch.equal(painted[0, :, :4], hearts[0, :, :4])
    assert torch.equal(prior.inpaint(hearts[0], mask, 2), prior.inpaint(hearts[0], mask, 2, prior.unguided))


def test_a_negative_text_takes_the_place_of_nothing(prior):
    told = {"text": "a red heart", "seed": 4}
    away = prior.sample(4, negative_text="thing 3", **told)
    assert not torch.equal(away, prior.sample(4, **told))
    # As the text itself it is nowhere to go away from.
    itself = prior.condition(num_images=4, text="a red heart")
    unguided = prior.sample(4, guidance=1, **told)
    assert torch.equal(prior.sample(4, negative_text="a red heart", **told), unguided)
    negative = prior.condition(num_images=4, text="thing 3")
    assert torch.equal(prior.decode(prior.sample_ids(Noise.of(4, 4), None, itself, negative=negative).ids), away)
    # It is told also where nothing else is; other names stay hidden.
    text = Condition({"caption": torch.ones(2, 3, dtype=torch.uint8)})
    found = Branch(hidden=ALL).condition(Condition({"label": torch.zeros(2)}), text)
    assert found.tensors.keys() == {"caption"} and found.hidden == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": " "}, "text must say something, not ' '; leave it out to ask for nothing"),
        ({"text": 3}, "text must be a text, or a list of them, not 3"),
        ({"negative_text": ""}, "text must say something, not ''"),
        ({"negative_text": "x", "guidance": 1}, "negative_text is what guidance goes away from, and there is none"),
        ({"style": "nto"}, "no style is called 'nto'; did you mean 'noto'?"),
        ({"style": "oil"}, "no style is called 'oil'; there are fx, noto, tw"),
        ({"style": 7}, "style must be in [0, 2], or 3 for no style, not 7; there are 0 fx, 1 noto, 2 tw"),
        ({"colour": "red"}, "colour was given, but this prior was trained without colour; it knows label, style, text"),
        ({"text": ["a", "b", "c"]}, "text must be one text, or one for each of 2 pictures, not 3"),
        ({"style": ["fx"]}, "style must be one style, or one for each of 2 pictures, not 1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(prior, given, message):
    with pytest.raises(ValueError) as error:
        prior.sample(**{"num_images": 2, **given})
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_a_text_that_is_too_long_is_cut_and_counted(prior):
    with pytest.warns(UserWarning, match="1 of 2 texts are longer than 512 bytes, and are cut there"):
        condition = prior.condition(num_images=2, text=["word " * 5000, "fox"])
    assert condition.tensors["caption"].shape[1] <= 512


def sampled(run, tmp_path, *words, command="sample"):
    words = [str(word) for word in words]
    code = main([command, "--ckpt_path", str(run / "run" / "last.ckpt"), "--out", str(tmp_path / "out"), *words])
    assert code == 0
    record = json.loads((tmp_path / "out" / f"{'samples' if command == 'sample' else command}.json").read_text())
    return record, sorted(path.name for path in (tmp_path / "out").glob("0*.png"))


def test_every_text_with_every_style(run, prior, tmp_path, capsys):
    words = ["--text", "a red heart", "--text=the fox", "--style", "noto", "fx", "--num_images", 2, "--label", "cats"]
    record, files = sampled(run, tmp_path, *words)
    assert record["num_images"] == 8 and len(record["evaluations"]) == 8
    assert record["text"] == ["a red heart", "the fox"] and record["style"] == ["noto", "fx"] and record["label"] == 0
    expected = [(t, s) for t in ("a red heart", "the fox") for s in ("noto", "fx")] * 2
    assert [(one["text"], one["style"], one["label"]) for one in record["asked"]] == [(*e, "cats") for e in expected]
    assert files[1:3] == ["000001-a-red-heart-cats-fx.png", "000002-the-fox-cats-noto.png"]
    texts, styles = ([one[name] for one in record["asked"]] for name in ("text", "style"))
    pictures = prior.sample(text=texts, style=styles, label="cats")
    assert all(torch.equal(read_png(tmp_path / "out" / name), pictures[i]) for i, name in enumerate(files))
    # The sheet has a row for each text.
    said = capsys.readouterr().out.splitlines()[-1]
    assert said.startswith("8 pictures of 2 texts, 2 values of style, cats by MaskGIT, 2 steps")
    title = said[: said.rindex(", ", 0, said.rindex(" s: "))]
    order = [0, 4, 1, 5, 2, 6, 3, 7]
    made = sheet(pictures[order], title, [styles[i] for i in order], 4, ["a red heart", "the fox"])
    assert torch.equal(read_png(tmp_path / "out" / "grid.png"), made)
    # More of the same begin with the same; another text is refused.
    again, more = sampled(run, tmp_path, *words[:-4], "--num_images", 3, "--label", 0)
    assert set(files) < set(more) and again["num_images"] == 12 and again["asked"][:8] == record["asked"]
    out = ["--ckpt_path", str(run / "run" / "last.ckpt"), "--out", str(tmp_path / "out")]
    assert main(["sample", *out, "--text", "another", "--label", "cats"]) == 2
    assert "pictures made with text ['a red heart', 'the fox'], not another" in capsys.readouterr().err


def test_a_file_of_texts_and_a_config(run, prior, tmp_path, capsys):
    file = tmp_path / "prompts.txt"
    file.write_bytes(b"\xef\xbb\xbfa red heart\r\n\n  the fox \n\xff\xfe\nthird")
    record, _ = sampled(run, tmp_path, "--prompts", file, "--negative_text", "blue thing", "--num_images", 1)
    assert record["text"] == ["a red heart", "the fox", "third"] and record["negative_text"] == "blue thing"
    assert "prompts.txt: 1 lines are not UTF-8 and are left out (4)" in capsys.readouterr().err
    pictures = prior.sample(text=record["text"], negative_text="blue thing")
    assert torch.equal(read_png(tmp_path / "out" / "000001-the-fox.png"), pictures[1])
    (tmp_path / "more.yaml").write_text("text: [a, b]\nstyle: fx\nnum_images: 1\n")
    words = ["--config", tmp_path / "more.yaml", "--style", "noto", "--overwrite"]
    record, files = sampled(run, tmp_path, *words)
    assert (
        record["text"] == ["a", "b"]
        and record["style"] == "noto"
        and files == ["000000-a-noto.png", "000001-b-noto.png"]
    )


def test_nothing_asked_for_is_as_ever(run, prior, tmp_path):
    record, files = sampled(run, tmp_path, "--num_images", 3)
    assert files == ["000000.png", "000001.png", "000002.png"] and record["label"] is None and "text" not in record
    drawn = prior.completed(None, Noise.of(0, 3)).tensors
    names = [prior.classes[i] for i in drawn["label"].tolist()]
    assert [one["label"] for one in record["asked"]] == names and {*record["asked"][0]} == {"label", "style"}
    assert torch.equal(read_png(tmp_path / "out" / files[2]), prior.sample(3)[2])


def test_painting_what_a_text_says(run, prior, tmp_path):
    image, mask = prior.sample(1)[0], torch.zeros(8, 8, dtype=torch.bool)
    mask[4:] = True
    lightgen.to_pil(image[None])[0].save(tmp_path / "image.png")
    lightgen.to_pil((mask * 255).to(torch.uint8)[None, None])[0].save(tmp_path / "mask.png")
    where = ["--image", tmp_path / "image.png", "--mask", tmp_path / "mask.png"]
    words = ["--text", "the fox", "a heart", "--style", "tw", "--num_images", 1]
    record, files = sampled(run, tmp_path, *where, *words, command="inpaint")
    assert record["guidance"]["arguments"]["scale"] == 2 and files == ["000000-the-fox-tw.png", "000001-a-heart-tw.png"]
    found = torch.stack([read_png(tmp_path / "out" / name) for name in files])
    assert torch.equal(found, prior.inpaint(image, mask, text=["the fox", "a heart"], style="tw"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", ""], "text must say something, not ''; leave it out to ask for nothing"),
        (["--text"], "--text needs a value"),
        (["--style", "not"], "no style is called 'not'; did you mean 'noto'?"),
        (["--stile", "noto"], "there is no option --stile; did you mean --style noto?"),
        (["--colour", "red"], "there is no option --colour, and this prior knows label, style, text"),
        (["--num_image", "3"], "there is no option --num_image; did you mean --num_images 3?"),
        (["--prompts", "none.txt"], "no file of texts at none.txt; --prompts takes one with a text on each line"),
        (["--prompts", "EMPTY"], "EMPTY has no line of text"),
        (["--text", "WORDS.txt"], "--text takes texts, and WORDS.txt is a file: --prompts WORDS.txt takes its lines"),
        (["--negative_text", "a", "b"], "--negative_text takes one text, in quotes, not 2"),
        (["--negative_text", "a", "--guidance", "null"], "negative_text is what guidance goes away from"),
        (["--num_images", "0"], "num_images must be at least 1, not 0"),
    ],
)
def test_mistakes_on_the_command_line(run, tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").write_text("\n \n")
    (tmp_path / "WORDS.txt").write_text("fox")
    assert main(["sample", "--ckpt_path", str(run / "run" / "last.ckpt"), *words]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"lightgen: {message}")
    assert not (tmp_path / "samples").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", "fox"], "text was given, but this prior was trained without text; it knows label"),
        (["--style", "noto"], "there is no option --style, and this prior knows label"),
    ],
)
def test_a_prior_that_knows_classes_alone(words, message, prior_checkpoint, capsys):
    assert main(["sample", "--ckpt_path", str(prior_checkpoint), *words]) == 2
    assert capsys.readouterr().err == f"lightgen: {message}\n"


@pytest.mark.filterwarnings("ignore")
def test_what_is_said_of_held_out_pictures_is_asked_for_together(run, prior, prior_checkpoint):
    data = folder(run)
    pictures, told = data.dataset("val"), data.conditions
    asked = held_out(prior, pictures, told, seed=3)
    assert len(asked) == len(pictures) and set(asked.tensors) == {"label", "style", "caption"}
    known = {}
    for line in (run / "pictures" / "metadata.jsonl").read_text().splitlines():
        row = json.loads(line)
        for text in row["text"]:
            known[text] = (row["file_name"].split("/")[0], row.get("style"))
    texts = to_texts(asked.tensors["caption"].numpy())
    for i, text in enumerate(texts):
        style = None if asked.hidden["style"][i] else STYLES[asked.tensors["style"][i]]
        assert known[text] == (prior.classes[asked.tensors["label"][i]], style)
    assert {text.split()[0] for text in texts} == {"thing", "the"}
    other = to_texts(held_out(prior, pictures, told, seed=4).tensors["caption"].numpy())
    assert sorted(t.split()[1] for t in other) == sorted(t.split()[1] for t in texts) and other != texts
    # Values in another order are those of the same name; one that the prior has not is hidden.
    turned = {**told, "style": ["noto", "oil", "fx"]}
    found = held_out(prior, pictures, turned, seed=3)
    for mine, theirs, hidden in zip(asked.tensors["style"], found.tensors["style"], found.hidden["style"], strict=True):
        assert bool(hidden) or (1, None, 0)[mine] == theirs
    assert found.hidden["style"].sum() > asked.hidden["style"].sum()
    # Priors without text draw classes as ever; so do all on data without captions.
    assert not held_out(lightgen.load(prior_checkpoint), pictures, told, 0)
    assert not held_out(prior, pictures, {"label": ["cats", "dogs"]}, 0)


class _Pixels(FeatureNetwork):
    """The pixels themselves."""

    name, dim, resize = "pixels", 192, "none"

    def __init__(self):
        self.network = torch.nn.Identity()

    def features(self, images):
        return images.flatten(1) / 255


@pytest.mark.filterwarnings("ignore")
def test_a_benchmark_asks_for_what_is_held_out(run, prior):
    trainer = Trainer(**TRAINER_DEFAULTS, accelerator="cpu", devices=1)
    data, checkpoint = folder(run), str(run / "run" / "last.ckpt")
    runner = Runner(data, Custom(_Pixels()), trainer, [RecallScore()], batch_size=8)
    pictures = data.dataset("val")
    # More pictures than there are held-out ones: those come again.
    num = len(pictures) + 2
    found = runner.run(runner.measurement("sampler", checkpoint, 5, num, prior.recipe)).shown
    asked = held_out(prior, pictures, data.conditions, 5).dealt(torch.arange(num))
    expected = prior.decode(prior.sample_ids(Noise.of(5, num), condition=asked).ids)
    assert torch.equal(found, expected[: len(found)]) and len(found) > 4
    assert not torch.equal(found, prior.sample(num, seed=5)[: len(found)])


def test_previews_ask_for_what_is_held_out(run, prior):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = folder(run)
        asked = held_out(prior, data.dataset("val"), data.conditions, 0).dealt(torch.arange(4))
    rows = lightgen.asking.in_words(prior.completed(asked, Noise.of(0, 4)), prior.categories)
    captions = [", ".join(row.values()) for row in rows]
    assert any(one.split()[0] in ("thing", "the") for row in captions for one in row.split(", "))
    title = f"step 2, seed 0: {prior.recipe.sampler}, {prior.recipe.warps}, {prior.recipe.guidance}"
    words = sheet(torch.full((4, 1, 8, 8), 255, dtype=torch.uint8), title, captions)
    made = read_png(run / "run" / "samples.png")
    assert made.shape == words.shape and (made[words < 128] < 128).all() and (words < 128).sum() > 500


def test_pictures_are_dealt_what_is_asked_for():
    asked = Condition({"caption": torch.from_numpy(to_bytes(["a", "b", "c"]))})
    assert to_texts(asked.dealt(torch.tensor([4, 0, 2])).tensors["caption"].numpy()) == ["b", "a", "c"]
    assert len(asked) == 3 and len(Condition()) == 0 and not Condition().dealt(torch.arange(2))
    assert np.array_equal(asked.dealt(torch.arange(3)).tensors["caption"], asked.tensors["caption"])
