"""Features of captions in a token cache: each caption once, to the byte the same, and those of the prior's encoder."""

import json

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from pictures import contents
from pictures import folder as picture_folder
from torch import nn

from lightgen.cli.main import main
from lightgen.condition import Context
from lightgen.conditioners.base import Conditioner
from lightgen.data import CachedTokens, ImageFolder
from lightgen.data import encode as encoding
from lightgen.data.encode import encode
from lightgen.data.token_cache import TokenCache
from lightgen.functional.text import to_bytes, to_texts
from lightgen.modules import PriorModule
from lightgen.networks import Transformer
from lightgen.processes import Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.text_encoders.base import TextEncoder
from lightgen.tokenizers import PixelTokenizer

pytestmark = pytest.mark.filterwarnings("ignore:.* 1 of 40 pictures have no caption")
WIDTH, LENGTH = 6, 5
OPTIONS = {"image_size": 8, "channels": 1, "batch_size": 4, "val_fraction": 0.2, "test_fraction": 0.1}


class Words(TextEncoder):
    """A row for each word, which depends on its letters and its place."""

    frozen = True
    asked: list[str] = []  # noqa: RUF012

    def __init__(self, seed: int = 0) -> None:
        nn.Module.__init__(self)
        self.max_length = LENGTH
        table = torch.randn(256, WIDTH, generator=torch.Generator().manual_seed(seed))
        self.register_buffer("table", table)

    @property
    def dim(self):
        return WIDTH

    def forward(self, texts_BL):
        assert not self.training
        found = torch.zeros(len(texts_BL), LENGTH, WIDTH)
        for row, text in zip(found, to_texts(texts_BL.numpy()), strict=True):
            self.asked.append(text)
            for i, word in enumerate(text.split()[:LENGTH]):
                row[i] = self.table[list(word.encode())].sum(0) + i
        return found


class Trained(Words):
    frozen = False


class Told(Conditioner):
    """Remembers what it is given."""

    def __init__(self, encoder: TextEncoder) -> None:
        super().__init__(0.0)
        self.encoder, self.given = encoder, []

    @property
    def names(self):
        return ("caption",)

    def attach(self, dim):
        self.one = nn.Parameter(torch.zeros(dim))

    def forward(self, condition, num_rows):
        self.given.append(condition.tensors["caption"])
        return Context(self.one.expand(num_rows, 1, -1))


def made(root, **options):
    return ImageFolder(str(root), **OPTIONS | {"captions": "text"} | options)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Forty pictures, and of each two captions; twelve are distinct, of one to six words."""
    root = picture_folder(tmp_path_factory.mktemp("text") / "pictures", 40)
    with (root / "metadata.jsonl").open("w") as file:
        for i, path in enumerate(sorted(root.rglob("*.png"))):
            texts = [" ".join(["ü" * (1 + i % 3)] * (1 + i % 6)), f"fox {i % 6}"]
            file.write(json.dumps({"file_name": str(path.relative_to(root)), "text": [] if i == 0 else texts}) + "\n")
    return root


@pytest.fixture(autouse=True)
def short_files(monkeypatch):
    """Five pictures or captions in a file; nothing is remembered of other tests."""
    monkeypatch.setattr(encoding, "ROWS", 5)
    monkeypatch.setattr(Words, "asked", [])


@pytest.fixture(scope="module")
def cache(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("text") / "cache"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoding, "ROWS", 5)
        encode(folder, PixelTokenizer(8), made(root), text_encoder=Words())
    return folder


def test_each_distinct_caption_is_encoded_once_and_found_again(cache, root, tmp_path):
    encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=Words())
    captions = made(root).collection.conditions["captions"]
    texts = to_texts(captions.reshape(-1, captions.shape[-1]))
    assert sorted(Words.asked) == sorted({*texts} - {""}) and len(Words.asked) == 12
    assert contents(tmp_path) == contents(cache)
    found = TokenCache(tmp_path).text_features()
    assert len(found.files) == 3 and all(isinstance(features.base, np.memmap) for _, features in found.files)
    # No longer than they are: 1 to 5 words of ü, a sixth that the encoder leaves out, and six pairs.
    assert sum(len(features) for _, features in found.files) == 1 + 2 + 3 + 4 + 5 + 5 + 6 * 2
    asked = torch.from_numpy(to_bytes([*texts[:30:3], "", "fox 3"]))
    features = found(asked)
    assert features.shape == (12, LENGTH, WIDTH) and features.dtype == torch.float32
    torch.testing.assert_close(features, Words().eval()(asked).half().float(), rtol=0, atol=0)


def test_killed_it_goes_on_to_the_same_bytes(cache, root, tmp_path, monkeypatch):
    whole, calls = Words.forward, []

    def dying(self, texts):
        calls.append(len(texts))
        if len(calls) == 4:
            raise KeyboardInterrupt
        return whole(self, texts)

    monkeypatch.setattr(Words, "forward", dying)
    with pytest.raises(KeyboardInterrupt):
        encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=Words())
    with pytest.raises(ValueError, match="only part of a token cache"):
        TokenCache(tmp_path)
    with pytest.raises(ValueError, match="was begun with features of captions by Words; name it again, or delete"):
        encode(tmp_path, PixelTokenizer(8), made(root))
    encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=Words())
    assert contents(tmp_path) == contents(cache) and sum(calls) < 12 + 10
    (path,) = tmp_path.glob("text-00001.*.npy")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=f"{path.name} is damaged"):
        TokenCache(tmp_path).text_features()
    encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=Words())
    assert contents(tmp_path) == contents(cache)


def test_a_cache_without_features_gets_them(cache, root, tmp_path):
    encode(tmp_path, PixelTokenizer(8), made(root))
    before = contents(tmp_path)
    assert TokenCache(tmp_path).text_features() is None
    encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=Words())
    after = contents(tmp_path)
    assert after == contents(cache) and {n: after[n] for n in before if n != "cache.json"} == {
        n: held for n, held in before.items() if n != "cache.json"
    }
    # Whoever does not name the encoder leaves them as they are.
    encode(tmp_path, PixelTokenizer(8), made(root))
    assert contents(tmp_path) == after


def test_others_are_refused(cache, root, tmp_path):
    before = contents(cache)
    with pytest.raises(ValueError, match=r"was made with features of captions by another text encoder \(Words\); "):
        encode(cache, PixelTokenizer(8), made(root), text_encoder=Words(1))
    with pytest.raises(ValueError, match="Trained is trained with the prior, so that its features cannot be kept"):
        encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=Trained())
    with pytest.raises(ValueError, match=r"pictures has no captions for Words to encode; --data.captions"):
        encode(tmp_path, PixelTokenizer(8), made(root, captions=None), text_encoder=Words())
    large = Words()
    large.table *= 1e6
    with pytest.raises(ValueError, match="the features of Words are too large to be kept as float16"):
        encode(tmp_path, PixelTokenizer(8), made(root), text_encoder=large)
    assert contents(cache) == before


def fit(encoder, data, root):
    """What the conditioner of a prior is given in two steps and a validation."""
    torch.manual_seed(0)
    conditioner = Told(encoder)
    network = lambda interface: Transformer(interface, dim=16, depth=1, heads=2, dim_head=8)  # noqa: E731
    module = PriorModule(PixelTokenizer(8), network, Absorbing, Recipe(MaskGIT(2)), conditioner=conditioner,
                         optimizer=lambda p: torch.optim.SGD(p, 0.1))  # fmt: skip
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu",
              "enable_checkpointing": False, "num_sanity_val_steps": 0, "use_distributed_sampler": False}  # fmt: skip
    trainer = Trainer(**silent, max_steps=2, val_check_interval=2, limit_val_batches=1, default_root_dir=root)
    trainer.fit(module, datamodule=data)
    return conditioner.given


def test_a_prior_with_a_frozen_encoder_gets_features_and_one_that_trains_its_own_gets_bytes(cache, root, tmp_path):
    given = fit(Words(), CachedTokens(str(cache), batch_size=4), tmp_path)
    texts = fit(Trained().eval(), CachedTokens(str(cache), batch_size=4), tmp_path)
    assert len(given) == len(texts) >= 3 and {t.dtype for t in texts} == {torch.uint8}
    for features, text in zip(given, texts, strict=True):
        torch.testing.assert_close(features, Words().eval()(text).half().float(), rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"by another text encoder \(Words\); delete it, or name another folder$"):
        fit(Words(1), CachedTokens(str(cache), batch_size=4), tmp_path)
    # What training makes for itself has the features too.
    made_by_itself = tmp_path / "cache"
    fit(Words(), CachedTokens(str(made_by_itself), made(root), batch_size=4), tmp_path)
    assert contents(made_by_itself) == contents(cache)
    assert fit(Trained(), CachedTokens(str(cache), made(root), batch_size=4), tmp_path)[0].dtype == torch.uint8


def test_the_command(cache, root, tokenizer_checkpoint, tmp_path, capsys, monkeypatch):
    options = ["encode", "--tokenizer", str(tokenizer_checkpoint), "--data", "ImageFolder", "--data.root", str(root),
               "--data.image_size", "16", "--data.captions", "text", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main([*options, "--text_encoder", "Words", "--text_encoder.seed", "3"]) == 0
    assert "features of 12 captions" in capsys.readouterr().out
    assert TokenCache(tmp_path / "out").header.texts["title"] == "Words"
    assert main([*options, "--text_encoder", "Words"]) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: "))
    assert "by another text encoder (Words); delete it" in line
