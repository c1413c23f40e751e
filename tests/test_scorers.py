"""A judge of pictures and captions: its loss, its contract, what it learns, and what it is used for."""

import json
import math
import shutil

import pytest
import torch
import yaml
from PIL import Image, ImageDraw, ImageFont
from torch.nn.functional import interpolate, normalize

from lightgen.bench.rows import read
from lightgen.checkpoint import export, load, load_scorer, save
from lightgen.cli.main import main
from lightgen.condition import Condition
from lightgen.data import ImageFolder
from lightgen.figures import read_png
from lightgen.functional.contrastive import contrastive_loss, recall_at_one
from lightgen.functional.random import Noise
from lightgen.functional.text import keys, to_bytes
from lightgen.metrics.captions import COSINE, CaptionScores
from lightgen.reranking import BestOf
from lightgen.reranking import texts as judged_by
from lightgen.sampling import Sampling
from lightgen.scorers import Contrastive, TimmEncoder
from lightgen.scorers.base import Scorer, pixels
from lightgen.scorers.remembering import Kept
from lightgen.text_encoders import WordPieces

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WIDTHS = {"thin": 0, "thick": 2}


def texts(*captions):
    return torch.from_numpy(to_bytes(captions))


def scorer(weights="new"):
    torch.manual_seed(0)
    words = WordPieces(300, 8, 16, depth=0)
    words.learn(["a thick seven", "a thin one"])
    return Contrastive(TimmEncoder("test_resnet", 32, weights), words, dim=8)


def pictures(num, seed=0):
    return torch.randint(0, 256, (num, 3, 20, 24), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.mark.parametrize(("num", "scale"), [(2, 0.0), (5, 3.0), (8, 20.0)])
def test_loss_of_different_captions_is_that_of_clip(num, scale):
    loss = contrastive_loss(scale * torch.eye(num, dtype=torch.float64), torch.eye(num) == 1)
    assert float(loss) == pytest.approx(math.log1p((num - 1) * math.exp(-scale)), rel=1e-9)


def test_equal_captions_are_no_negatives_of_one_another():
    """With classes of m pictures, a perfect scorer's loss is log m, and its gradient is nothing."""
    names = torch.tensor([0, 0, 0, 1, 1, 1])
    same = names[:, None] == names
    logits = (60.0 * same).requires_grad_()
    loss = contrastive_loss(logits, same)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(3), abs=1e-6)
    assert logits.grad.abs().max() < 1e-6
    apart = (60.0 * torch.eye(6)).requires_grad_()
    contrastive_loss(apart, same).backward()
    assert apart.grad[0, 1] < -0.05 and contrastive_loss(apart.detach(), same) > 30


def test_loss_by_brute_force():
    torch.manual_seed(0)
    logits, names = torch.randn(7, 7, dtype=torch.float64), torch.tensor([0, 1, 0, 2, 2, 2, 3])
    total = 0.0
    for table in (logits, logits.T):
        for i in range(7):
            alike = [k for k in range(7) if names[k] == names[i]]
            total += sum(-float(table[i, k] - table[i].logsumexp(0)) for k in alike) / len(alike) / 14
    assert float(contrastive_loss(logits, names[:, None] == names)) == pytest.approx(total)


def test_recall_is_one_for_what_fits_and_chance_for_what_does_not():
    torch.manual_seed(0)
    num = 2000
    vectors, names = normalize(torch.randn(num, 16), dim=1), torch.arange(num) * 7
    assert recall_at_one(vectors, vectors, names, 100) == 1
    shuffled = torch.randperm(num)
    chance = float(recall_at_one(vectors, vectors[shuffled], names, 100))
    assert abs(chance - 0.01) < 0.007
    assert recall_at_one(torch.ones(num, 1), torch.ones(num, 1), names, 100) == pytest.approx(0.01)
    with pytest.raises(ValueError, match="at most the 2000 different"):
        recall_at_one(vectors, vectors, names, 2001)


def test_recall_knows_neither_order_nor_equal_captions_as_rivals():
    torch.manual_seed(0)
    words = torch.arange(50).repeat_interleave(3)
    there = normalize(torch.randn(50, 4), dim=1)[words]
    seen = normalize(there + 0.4 * torch.randn(150, 4), dim=1)
    found = recall_at_one(seen, there, words, 20)
    mixed = torch.randperm(150)
    assert recall_at_one(seen[mixed], there[mixed], words[mixed], 20) == pytest.approx(float(found))
    assert 0.1 < found < 0.95
    # Three pictures of each caption: none of them is a rival of the others.
    assert recall_at_one(there, there, words, 50) == 1


def test_keys_of_texts_do_not_depend_on_what_stands_beside_them():
    together = keys(texts("a fox", "a long-legged ox", "a fox"))
    assert together[0] == together[2] == keys(texts("a fox"))[0] != together[1]
    assert together.dtype == torch.int64


def test_embeddings_are_unit_vectors_and_do_not_depend_on_the_batch():
    judge = scorer().eval()
    images, captions = pictures(3), texts("a thick seven", "a thin one", "")
    with torch.no_grad():
        seen, read = judge.embed_images(images), judge.embed_texts(captions)
        assert seen.shape == read.shape == (3, judge.dim)
        torch.testing.assert_close(seen.norm(dim=1), torch.ones(3))
        torch.testing.assert_close(judge.embed_images(images[1:2]), seen[1:2])
        torch.testing.assert_close(judge.embed_texts(texts("a thin one")), read[1:2])
        grey = judge.embed_images(images[:, :1])
        torch.testing.assert_close(grey, judge.embed_images(images[:, :1].repeat(1, 3, 1, 1)))
        torch.testing.assert_close(judge(images, captions), (seen * read).sum(1))
    assert float(judge.scale) == pytest.approx(1 / 0.07)
    judge.log_scale.data.fill_(9.0)
    assert float(judge.scale) == pytest.approx(100.0)
    with pytest.raises(ValueError, match=r"pictures must be \(B, 1 or 3, H, W\)"):
        judge.embed_images(images[0])


@pytest.mark.parametrize("weights", ["new", "frozen"])
def test_gradients_flow_to_pictures(weights):
    judge = scorer(weights).eval()
    images = (pictures(2).float() / 127.5 - 1).requires_grad_()
    judge(images, texts("a thick seven", "a thin one")).sum().backward()
    assert images.grad.isfinite().all() and (images.grad.abs().sum((1, 2, 3)) > 0).all()
    assert all((p.grad is None) == (weights == "frozen") for p in judge.image_encoder.parameters())
    assert judge.train().image_encoder.network.training == (weights == "new")


def test_what_is_frozen_is_asked_once():
    asked = []

    def function(rows):
        asked.append(len(rows))
        return rows.float().sum(1, keepdim=True)

    rows, kept = torch.tensor([[1, 2], [3, 4], [1, 2]], dtype=torch.uint8), Kept(function)
    assert kept(rows).tolist() == [[3.0], [7.0], [3.0]]
    assert kept(torch.cat([rows, rows + 1])).flatten().tolist() == [3.0, 7.0, 3.0, 5.0, 9.0, 5.0]
    assert asked == [2, 2]


def test_scores_of_pictures_and_captions():
    judge = scorer().eval()
    images, captions = pictures(5), texts("a thick seven", "a thin one", "a seven", "a one", "a thin one")
    whole, parts = CaptionScores(judge, 3), CaptionScores(judge, 3)
    whole.update(images, captions)
    parts.update(images[:2], captions[:2])
    parts.update(images[2:], captions[2:])
    found = whole.compute()
    assert found.keys() == {COSINE, "R@1 of 3"}
    torch.testing.assert_close(found, parts.compute())
    torch.testing.assert_close(found[COSINE], judge(images, captions).mean())
    alone = CaptionScores(judge)
    assert alone.compute() == {}
    alone.update(images[:2], captions[:1].repeat(2, 1))
    assert alone.compute().keys() == {COSINE}


def digits(root, copies=16):
    """A folder of thick and thin digits, each somewhere else, with captions; copy 0 of each is held out."""
    lines, generator = [], torch.Generator().manual_seed(0)
    font = ImageFont.load_default(20)
    root.mkdir()
    for width, stroke in WIDTHS.items():
        for digit, name in enumerate(NAMES):
            for copy in range(copies):
                x, y, grey = torch.randint(0, 8, (3,), generator=generator).tolist()
                image = Image.new("L", (32, 32), 40 + grey)
                ImageDraw.Draw(image).text((x + 4, y), str(digit), 220, font, stroke_width=stroke)
                image.save(root / f"{width}-{digit}-{copy}.png")
                line = {"file_name": f"{width}-{digit}-{copy}.png", "text": f"a {width} {name}", "copy": f"copy {copy}"}
                lines.append(json.dumps(line))
    (root / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return root


def fit(root, **others):
    """The exit status of the shipped config on digits, with a small network in place of the large one."""
    options = {
        "trainer.default_root_dir": root / "run", "trainer.max_steps": 120, "trainer.val_check_interval": 60,
        "trainer.enable_progress_bar": "false", "data.root": root / "digits",
        "data.identity": "copy", "data.batch_size": 48, "data.image_size": 32, "data.val_fraction": 0.1,
        "model.scorer.image_encoder.model": "test_resnet", "model.scorer.image_encoder.size": 32,
        "model.scorer.image_encoder.weights": "new", "model.scorer.dim": 32, "model.scorer.hidden": 64,
        "model.optimizer.lr": 0.003, **others,
    }  # fmt: skip
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return main(["fit", "--config", "icons64-scorer.yaml", *flags])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run on digits."""
    root = tmp_path_factory.mktemp("scorer")
    digits(root / "digits")
    assert fit(root) == 0
    return root


def test_digits_find_their_captions(run):
    """Of ten captions, pictures that were held out find theirs; shuffled ones do not."""
    judge = load(run / "run" / "last.ckpt", "scorer")
    data = ImageFolder(str(run / "digits"), captions="text", identity="copy", image_size=32, val_fraction=0.1)
    held_out = data.dataset("val")
    images, captions = held_out.images(), held_out.condition()["caption"]
    right, wrong = CaptionScores(judge, 10), CaptionScores(judge, 10)
    right.update(images, captions)
    assert len(images) == 80 and right.compute()["R@1 of 10"] > 0.9
    shuffled = torch.randperm(80, generator=torch.Generator().manual_seed(0))
    wrong.update(images, captions[shuffled])
    assert wrong.compute()["R@1 of 10"] < 0.3
    assert right.compute()[COSINE] > wrong.compute()[COSINE] + 0.2


class Brightness(Scorer):
    """Finds bright pictures best, whatever is asked for."""

    dim = 2
    scale = torch.tensor(1.0)

    def embed_images(self, images):
        angle = pixels(images).mean((1, 2, 3)) * math.pi / 2
        return torch.stack([angle.sin(), angle.cos()], 1)

    def embed_texts(self, texts):
        return torch.tensor([[1.0, 0.0]]).expand(len(texts), 2)


@pytest.fixture(scope="module")
def prior():
    return load("zoo:icons64-sundae", "prior")


def test_the_best_of_several_draws_is_one_that_can_be_made_alone(prior):
    draws = prior.sample(6, steps=2, label="Flags", seed=3)
    bright = draws.float().mean((1, 2, 3)).view(2, 3).argmax(1)
    best = prior.sample(2, steps=2, label="Flags", seed=3, best_of=3, judge=Brightness(), batch_size=1)
    assert torch.equal(best, draws.view(2, 3, *draws.shape[1:])[torch.arange(2), bright])


def test_draws_of_a_picture_are_asked_for_the_same(prior):
    best = BestOf(3, Brightness())
    made = Sampling(prior, prior.chosen(steps=1), seed=5, best_of=best)(torch.arange(2))
    alone = prior.completed(None, Noise(5, torch.tensor([0, 3]))).tensors["label"]
    assert made.asked.tensors["label"].equal(alone)
    draws = Sampling(prior, prior.chosen(steps=1), made.asked.select(torch.tensor([1])), seed=5)(made.draws[1:])
    # Decoded in a batch of another size, a value may be rounded to its neighbour.
    assert (draws.images.int() - made.images[1:].int()).abs().max() <= 1
    assert made.evaluations.eq(3 * draws.evaluations).all()


def test_what_judges_refuse(prior, run, tmp_path):
    with pytest.raises(ValueError, match="best_of 4 needs a judge"):
        prior.sample(best_of=4)
    with pytest.raises(ValueError, match="chooses among several draws"):
        prior.sample(judge=Brightness())
    with pytest.raises(ValueError, match="whole number of at least 2, not 0"):
        prior.sample(best_of=0, judge=Brightness())
    with pytest.raises(ValueError, match="a judge needs words"):
        judged_by(Condition({"label": torch.tensor([1])}), {})
    both = Condition({"label": torch.tensor([1, 0]), "caption": texts("a fox", "an owl")})
    animals = {"label": ("cats", "dogs")}
    assert judged_by(both, animals).equal(texts("a fox", "an owl"))
    assert judged_by(both.hide("caption", rows=torch.tensor([True, False])), animals).equal(texts("dogs", "an owl"))
    assert judged_by(both.keep(["label"]), animals).equal(texts("dogs", "cats"))


def test_sample_with_a_judge(run, tmp_path, capsys):
    judge = ["--judge", str(run / "run" / "last.ckpt")]
    args = ["sample", "--ckpt_path", "zoo:icons64-sundae", "--num_images", "2", "--sampler.steps", "2"]
    assert main([*args, "--label", "Flags", "--best_of", "3", *judge, "--out", str(tmp_path / "best")]) == 0
    record = json.loads((tmp_path / "best" / "samples.json").read_text())
    assert record["best_of"] == 3 and [draw // 3 for draw in record["draws"]] == [0, 1]
    assert "2 pictures of Flags, the best of 3 each, by SUNDAE" in capsys.readouterr().out
    all_of_them = ["--num_images", "6", "--out", str(tmp_path / "all")]
    assert main([*args, "--label", "Flags", *all_of_them]) == 0
    for i, draw in enumerate(record["draws"]):
        kept, made = (tmp_path / folder / f"{n:06d}.png" for folder, n in (("best", i), ("all", draw)))
        assert torch.equal(read_png(kept), read_png(made))
    assert main([*args, "--best_of", "3"]) == 2
    assert "best_of 3 needs a judge" in capsys.readouterr().err
    assert main([*args, "--best_of", "3", "--judge", "zoo:icons64-sundae"]) == 2
    assert "holds a prior, where a scorer is needed" in capsys.readouterr().err


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The folder of a tiny CLIP of random weights, and what transformers makes of it."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = transformers.CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": len(words) - 2, "eos_token_id": len(words) - 1, "pad_token_id": len(words) - 1}
    config = transformers.CLIPConfig(
        text_config={**small, **special, "vocab_size": len(words), "max_position_embeddings": 20},
        vision_config={**small, "image_size": 24, "patch_size": 8}, projection_dim=12,
    )  # fmt: skip
    torch.manual_seed(0)
    model = transformers.CLIPModel(config).eval()
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 24}, crop_size={"height": 24, "width": 24})
    for part in (model, tokenizer, processor):
        part.save_pretrained(folder)
    return folder, model, tokenizer, processor


@pytest.mark.parametrize(("size", "tolerance"), [((24, 24), 1e-6), ((48, 72), 2e-3)])
def test_a_clip_folder_says_what_transformers_says(clip, size, tolerance):
    folder, model, tokenizer, processor = clip
    judge, asked = load_scorer(folder), ["a red fox", "ox", "nobody knows how long a text may be"]
    smooth = torch.rand(3, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    images = interpolate(smooth, size, mode="bicubic").clamp(0, 1).mul(255).to(torch.uint8)
    sized = processor(images=list(images), return_tensors="pt")
    read = tokenizer(asked, padding=True, truncation=True, max_length=20, return_tensors="pt")
    with torch.no_grad():
        wanted = model(**sized, **read).logits_per_image
        found = judge.scale * judge.embed_images(images) @ judge.embed_texts(texts(*asked)).T
    torch.testing.assert_close(found, wanted, atol=tolerance * float(judge.scale), rtol=0)
    assert wanted.std() > 20 * tolerance
    seen = (images.float() / 127.5 - 1).requires_grad_()
    judge(seen, texts(*asked)).sum().backward()
    assert (seen.grad.abs().sum((1, 2, 3)) > 0).all()


def test_a_folder_that_is_no_whole_clip(clip, tmp_path):
    broken = tmp_path / "clip"
    shutil.copytree(clip[0], broken)
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"holds no CLIP of transformers: it has no model\.safetensors"):
        load_scorer(broken)
    (broken / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="clip holds no CLIP of transformers"):
        load_scorer(broken)
    with pytest.raises(ValueError, match="no checkpoint at"):
        load_scorer(tmp_path / "nowhere")


def suite(run, judge, out, **method):
    features = {"class_path": "EfficientNetLite0", "init_args": {"size": 32}}
    pictures = {"root": str(run / "digits"), "image_size": 64, "val_fraction": 0.1}
    config = {
        "priors": {"sundae": "zoo:icons64-sundae"}, "evaluations": [4], "num_images": 5,
        "protocol": {"class_path": "Custom", "init_args": {"features": features}},
        "data": {"class_path": "ImageFolder", "init_args": pictures},
        "seeds": [0, 1], "tuning_seeds": [], "scores": ["KIDScore"], "judge": str(judge),
        "methods": {"SUNDAE": {"prior": "sundae", "recipe": {"sampler": "SUNDAE", "guidance": None}, **method}},
    }  # fmt: skip
    out.mkdir()
    (out / "suite.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return main(["bench", "--config", str(out / "suite.yaml"), "--out", str(out / "results")])


def test_the_benchmark_refuses_a_reranker_that_is_the_judge(run, tmp_path, capsys):
    judge, exported = run / "run" / "last.ckpt", tmp_path / "exported"
    export(judge, exported)
    assert suite(run, judge, tmp_path / "same", best_of=2, reranker=str(exported)) == 2
    shown = capsys.readouterr().err
    assert "is the judge itself, which would praise what it chose" in shown and "measuring" not in shown
    assert not (tmp_path / "same" / "results").exists()


def test_the_benchmark_judges_and_reranks(run, tmp_path, capsys):
    other = Contrastive(TimmEncoder("test_resnet", 32, "new"), WordPieces(300, 8, 16, depth=0), dim=4)
    save(other, tmp_path / "other.ckpt")
    best = {"best_of": 2, "reranker": str(tmp_path / "other.ckpt")}
    assert suite(run, run / "run" / "last.ckpt", tmp_path / "bench", **best) == 0
    rows = [row for row in read(tmp_path / "bench" / "results") if row.place.role == "report"]
    assert len(rows) == 2
    for row in rows:
        assert row.evaluations == 4 and row.measurement.recipe["arguments"]["sampler"]["arguments"]["steps"] == 2
        assert -1 <= row.scores[COSINE] <= 1 and row.measurement.reranking["best_of"] == 2
    assert main(["bench", "replay", str(tmp_path / "bench" / "results"), rows[0].id]) == 0


def test_a_checkpoint_is_exported_scored_and_trained_on(run, tmp_path, capsys):
    checkpoint, folder = run / "run" / "last.ckpt", tmp_path / "exported"
    assert main(["export", "--ckpt_path", str(checkpoint), "--out", str(folder)]) == 0
    there, again, images = load(checkpoint), load_scorer(folder), pictures(2)
    with torch.no_grad():
        assert again.embed_images(images).equal(there.embed_images(images))
        assert again.embed_texts(texts("a thick seven")).equal(there.embed_texts(texts("a thick seven")))
    assert main(["validate", "--ckpt_path", str(checkpoint), "--trainer.enable_progress_bar", "false"]) == 0
    assert "R@1 of 20" in capsys.readouterr().out
    more = {"trainer.default_root_dir": tmp_path / "more", "trainer.max_steps": 121, "ckpt_path": checkpoint}
    assert fit(run, **more) == 0
    after = load(tmp_path / "more" / "last.ckpt")
    assert after.text_encoder.vocabulary.pieces == there.text_encoder.vocabulary.pieces
    assert not torch.equal(after.log_scale, there.log_scale)


def test_pictures_without_captions_teach_no_scorer(run, tmp_path, capsys):
    assert fit(run, **{"trainer.default_root_dir": tmp_path / "none", "data.captions": "null"}) == 2
    assert "has none; name their column with --data.captions" in capsys.readouterr().err
