"""The ids of a coarser picture in data: of the same view of the same picture, and refused where they are not."""

import pytest
import torch

from lightgen.cli.main import main
from lightgen.conditioners import ClassLabel, LowResolution, Mixed
from lightgen.data import CachedTokens, SyntheticImages
from lightgen.data import encode as encoding
from lightgen.data.encode import encode
from lightgen.data.held_out import held_out
from lightgen.data.token_cache import TokenCache
from lightgen.data.token_dataset import plain
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import to_unit

OPTIONS = {"num_images": 60, "channels": 1, "mirror": True, "val_fraction": 0.2, "test_fraction": 0.1, "batch_size": 4}


def pictures(side, **more):
    return SyntheticImages(image_size=side, **OPTIONS | more)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Of 8x8 ids, and of 4x4, in files of a few pictures."""
    monkeypatch.setattr(encoding, "ROWS", 7)
    for side in (4, 8):
        encode(tmp_path / str(side), PixelTokenizer(side), pictures(side))
    return tmp_path


def test_each_picture_has_the_coarser_ids_of_its_own_view(caches):
    data = CachedTokens(str(caches / "8"), batch_size=4, coarse=str(caches / "4"))
    assert data.level == (PixelTokenizer(4).layout, TokenCache(caches / "4").header.tokenizer)
    views = {side: {split: pictures(side).dataset(split).images() for split in ("train", "val")} for side in (4, 8)}
    mirrored = 0
    for split, loader in (("train", data.train_dataloader()), ("val", data.val_dataloader())):
        for batch in loader:
            coarse = batch["condition"]["coarse"]
            assert coarse.shape == (len(batch["index"]), 16) and coarse.dtype == torch.int64
            for i, ids, low in zip(batch["index"], batch["ids"], coarse, strict=True):
                both = [views[side][split][i] for side in (4, 8)]
                flipped = not torch.equal(ids, PixelTokenizer(8).encode(to_unit(both[1][None]))[0])
                mirrored += flipped
                expected = both[0].flip(-1) if flipped else both[0]
                assert torch.equal(low, PixelTokenizer(4).encode(to_unit(expected[None]))[0].flatten())
    assert 5 < mirrored < 40
    assert "coarse" not in next(iter(CachedTokens(str(caches / "8")).val_dataloader()))["condition"]


def test_previews_are_told_the_coarser_ids_of_held_out_pictures(caches):
    data = CachedTokens(str(caches / "8"), coarse=str(caches / "4"))
    level = LowResolution(*data.level)
    tokenizer, process = PixelTokenizer(8), Absorbing(256)
    for conditioner in (level, Mixed([ClassLabel(len(data.class_names)), level])):
        network = Transformer(process.interface(tokenizer.layout, conditioner), 16, 1, 2, 8)
        prior, held = Prior(tokenizer, network, process, Recipe(MaskGIT(steps=2))), data.dataset("val")
        asked = held_out(prior, held, data.conditions, seed=3)
        batch = held.__getitems__(plain(torch.arange(len(held))))["condition"]
        rows = {tuple(ids): i for i, ids in enumerate(batch["coarse"].tolist())}
        order = [rows[tuple(ids)] for ids in asked.tensors["coarse"].tolist()]
        assert sorted(order) == list(range(len(held))) != order
        assert set(asked.tensors) == set(conditioner.names)
        if "label" in asked.tensors:
            assert torch.equal(asked.tensors["label"], batch["label"][order])
    assert not held_out(prior, CachedTokens(str(caches / "8")).dataset("val"), data.conditions, seed=3)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mirror": False}, "mirror is False, not True"),
        ({"seed": 1}, "seed is 1, not 0"),
        ({"num_images": 50}, "of train there are 3[0-9], not 4[0-9]"),
    ],
)
def test_of_other_pictures_they_are_refused(caches, more, message):
    cache = encode(caches / "other", PixelTokenizer(4), pictures(4, **more))
    finer, views = pictures(8), {"num_crops": 0, "mirror": True, "seed": 0}
    names = {split: finer.dataset(split).names for split in ("train", "val", "test")}
    with pytest.raises(
        ValueError, match=f"^the coarser ids in .*other are not of the same pictures as .*8: {message}$"
    ):
        cache.require_pictures(caches / "8", names, **views)
    TokenCache(caches / "4").require_pictures(caches / "8", names, **views)
    names["val"] = ["another", *names["val"][1:]]
    with pytest.raises(ValueError, match=r"one of val is shape-[0-9]+, not another$"):
        TokenCache(caches / "4").require_pictures(caches / "8", names, **views)


def test_training_is_refused_before_any_work(caches, tokenizer_checkpoint, tmp_path, capsys):
    prior = ["fit", "--config", "tiny.yaml", "--model.tokenizer", str(tokenizer_checkpoint),
             "--trainer.default_root_dir", str(tmp_path / "run"), "--model.conditioner", "LowResolution"]  # fmt: skip
    cached = [*prior, "--data", "CachedTokens", "--data.cache", str(tmp_path / "new"), "--data.data", "SyntheticImages",
              "--data.data.image_size", "16", "--data.coarse"]  # fmt: skip
    other = ["--model.conditioner.tokenizer", "x", "--model.conditioner.layout", "{cells: [4, 4], vocab_size: 256}"]
    for args, message in (
        (prior, "layout and tokenizer must be those of the coarser ids; in a config they are the data's, where "),
        ([*cached, "nowhere"], "no token cache at nowhere; `lightgen encode --out nowhere` makes it"),
        ([*cached, str(caches / "8")], "ids stand on 8x8 cells, of which a grid of 4x4 cells is no whole multiple"),
        ([*cached, str(caches / "4")], f"the coarser ids in {caches / '4'} are not of the same pictures as those for"),
        ([*cached, str(caches / "4"), *other], "the coarser ids are of another tokenizer than those that the prior"),
    ):
        assert main(args) == 2
        (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: "))
        assert message in line
        assert not (tmp_path / "new").exists()
