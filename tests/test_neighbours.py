"""Pictures told of other pictures: references and neighbours, their weights, an index of them, and guidance."""

import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from pictures import contents
from pictures import folder as picture_folder
from stubs import Pixels
from torch import nn
from torch.nn.functional import cross_entropy

from lightgen.again import lacking
from lightgen.clock import Clock
from lightgen.condition import Condition
from lightgen.conditioners import ClassLabel, Mixed, Neighbours, Picture, Text
from lightgen.data import CachedTokens, ImageFolder
from lightgen.data.encode import encode
from lightgen.data.index import Index, Indexing
from lightgen.data.token_cache import TokenCache
from lightgen.data.token_dataset import plain
from lightgen.denoiser import Denoiser
from lightgen.functional.likeness import nearest
from lightgen.functional.random import Noise
from lightgen.functional.text import to_bytes
from lightgen.guidance import ConstantGuidance, Interleaved
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Transformer
from lightgen.networks.base import Interface
from lightgen.prior import Prior
from lightgen.processes import Absorbing
from lightgen.recipe import Recipe
from lightgen.samplers import MaskGIT
from lightgen.tokenizers import PixelTokenizer

V, GRID, N, K = 7, (2, 4), 8, 2
SMALL = {"dim": 16, "heads": 2, "dim_head": 8, "depth": 4}
OPTIONS = {"image_size": 8, "channels": 1, "batch_size": 4, "val_fraction": 0.2, "test_fraction": 0.1}


def conditioner():
    return Mixed([Text(), Picture(), Neighbours(K), ClassLabel(3)])


def network(kind=Transformer, told=None, **more):
    torch.manual_seed(0)
    made = kind(Interface(Layout(GRID, V), V + 1, conditioner=told or conditioner()), **SMALL, **more).eval()
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made


def ids_of(*shape, seed=1):
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(seed))


def told(**more):
    return {
        "caption": torch.from_numpy(to_bytes(["a fox", "a red cat"])), "picture": ids_of(2, N, seed=3),
        "neighbours": ids_of(2, K, N, seed=4), "label": torch.tensor([0, 2]), **more,
    }  # fmt: skip


@torch.no_grad()
def logits(made, condition):
    return made(ids_of(2, N), None, made.context(condition, 2))


@pytest.mark.parametrize("kind", [Transformer, CausalTransformer])
@pytest.mark.parametrize("name", ["caption", "picture", "neighbours", "label"])
def test_weight_zero_hiding_and_absence_are_the_same_to_the_bit(kind, name):
    made, tensors = network(kind), told()
    whole = logits(made, Condition(tensors))
    absent = logits(made, Condition({other: tensor for other, tensor in tensors.items() if other != name}))
    assert not torch.allclose(whole, absent, atol=1e-3)
    hidden = Condition(tensors).hide(name, rows=torch.tensor([True, False]))
    assert torch.equal(logits(made, hidden), torch.stack([absent[0], whole[1]]))
    if name == "neighbours":
        return
    for weights, expected in (([0.0, 1.0], (absent[0], whole[1])), ([1.0, 0.0], (whole[0], absent[1]))):
        weighed = logits(made, Condition(tensors, weights={name: torch.tensor(weights)}))
        assert torch.equal(weighed, torch.stack(expected))
    half = logits(made, Condition(tensors, weights={name: torch.full((2,), 0.5)}))
    assert not torch.allclose(half, whole, atol=1e-3) and not torch.allclose(half, absent, atol=1e-3)


def test_cells_that_are_not_there_cannot_be_seen():
    made, neighbours = network(), ids_of(2, K, N)
    one = neighbours.clone()
    one[:, 1] = V
    none = torch.full_like(neighbours, V)
    assert torch.equal(logits(made, Condition({"neighbours": none})), logits(made, Condition()))
    assert not torch.allclose(logits(made, Condition({"neighbours": one})), logits(made, Condition()), atol=1e-3)
    swapped = Condition({"neighbours": neighbours.flip(1)})
    assert not torch.allclose(logits(made, swapped), logits(made, Condition({"neighbours": neighbours})), atol=1e-3)


def test_weights_travel_with_their_rows():
    given = Condition(told(), weights={"picture": torch.tensor([0.5, 2.0])})
    assert given.select(torch.tensor([1])).weights["picture"].tolist() == [2.0]
    assert given.repeat(2).weights["picture"].tolist() == [0.5, 2.0, 0.5, 2.0]
    assert given.hide("picture").weights == {} and given.replace(picture=ids_of(2, N)).weights == {}
    assert given.hide("label", rows=torch.tensor([True, False])).weights.keys() == {"picture"}
    both = Condition.cat([given, Condition(told())])
    assert both.weights["picture"].tolist() == [0.5, 2.0, 1.0, 1.0] and both.hidden == {}
    assert Condition(told()).update(given).weights.keys() == {"picture"}


def test_nearest_is_brute_force():
    queries, memory = torch.randn(300, 5), torch.randn(40, 5)
    found = nearest(queries, memory, 7)
    cosine = torch.nn.functional.cosine_similarity(queries[:, None], memory, dim=-1)
    assert torch.equal(found, cosine.sort(1, descending=True).indices[:, :7])
    # One name in common is enough, in the same place.
    apart, others = torch.randint(0, 3, (300, 2)), torch.randint(0, 3, (40, 2))
    found = nearest(queries, memory, 40, apart, others)
    allowed = (apart[:, None] != others).all(-1)
    expected = cosine.masked_fill(~allowed, -2).sort(1, descending=True).indices
    assert torch.equal(found, expected.where(torch.arange(40) < allowed.sum(1, keepdim=True), -1))
    assert torch.equal(nearest(queries, memory[:0], 2), torch.full((300, 2), -1))


def index_of(root, out, num=30, copies=0, **options):
    """Of pictures, the last of which are copies of the first."""
    picture_folder(root, num)
    paths = sorted(root.rglob("*.png"), key=lambda path: path.name)
    for i in range(copies):
        shutil.copy(paths[i], root / "cats" / f"copy{i}.png")
    data = ImageFolder(root=str(root), **{**OPTIONS, **options})
    return encode(out, PixelTokenizer(8), data, indexing=Indexing(Pixels(), 3)), data


def test_a_picture_and_its_copies_are_never_its_neighbours(tmp_path):
    cache, data = index_of(tmp_path / "pictures", tmp_path / "ids", copies=20)
    train = cache.dataset("train")
    ids = train.ids(plain(torch.arange(len(train)))).flatten(1)
    names, copied = cache.names("train"), 0
    for split in ("train", "val", "test"):
        own = cache.dataset(split)
        mine = own.ids(plain(torch.arange(len(own)))).flatten(1)
        table = torch.from_numpy(cache.neighbours(split))
        assert table.shape == (len(own), 3) and (table >= 0).all()
        same = (mine[:, None] == ids).all(-1)
        copied += int(same.sum())
        assert not same.gather(1, table).any()
        images = torch.stack([data.dataset(split)[i]["image"] for i in range(len(own))])
        memory = torch.stack([data.dataset("train")[i]["image"] for i in range(len(train))])
        features = [Pixels()(one.expand(-1, 3, -1, -1)).half() for one in (images, memory)]
        assert torch.equal(table, nearest(*features, 3, *_numbered(same)))
    # Each is there for itself, and for some copies in other splits.
    assert copied > len(names) + 10


def _numbered(same):
    """Names by which a query and a row of the memory are the same: that of its first row that is."""
    first = torch.where(same.any(1), same.int().argmax(1), -1)
    rows = torch.arange(same.shape[1])
    for query, row in same.nonzero().tolist():
        rows[row] = first[query]
    return first[:, None], rows[:, None]


def test_variants_are_apart_unless_they_are_wanted(tmp_path):
    picture_folder(tmp_path / "pictures", 20)
    paths = sorted(path.relative_to(tmp_path / "pictures") for path in (tmp_path / "pictures").rglob("*.png"))
    lines = [json.dumps({"file_name": str(path), "shows": str(i // 4)}) for i, path in enumerate(paths)]
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(lines))
    data = ImageFolder(root=str(tmp_path / "pictures"), identity="shows", **OPTIONS)
    found = {}
    for variants in (False, True):
        out = tmp_path / f"ids{variants}"
        cache = encode(out, PixelTokenizer(8), data, indexing=Indexing(Pixels(), 15, variants))
        names = cache.names("train")
        rows = [[names[i] for i in row if i >= 0] for row in cache.neighbours("train")]
        found[variants] = [name in row for name, row in zip(names, rows, strict=True)]
        # All that are left, where fewer are there than are kept.
        assert [len(row) for row in rows] == [min(15, len(names) - (1 if variants else 4))] * len(names)
    assert not any(found[False]) and all(found[True])


def test_an_index_is_the_same_to_the_byte_goes_on_and_comes_later(tmp_path, monkeypatch):
    cache, data = index_of(tmp_path / "pictures", tmp_path / "ids")
    whole = contents(cache.folder)
    later = tmp_path / "later"
    encode(later, PixelTokenizer(8), data)
    with pytest.raises(ValueError, match="no index; `lightgen index"):
        Index(later)
    kept = {path.name for path in later.iterdir()}

    def killed(self, *args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Indexing, "neighbours", killed)
        with pytest.raises(KeyboardInterrupt):
            encode(later, PixelTokenizer(8), data, indexing=Indexing(Pixels(), 3))
    assert kept < {path.name for path in later.iterdir()}
    with pytest.raises(ValueError, match="only part of a token cache"):
        TokenCache(later)
    with pytest.raises(ValueError, match="begun with an index; `lightgen index"):
        encode(later, PixelTokenizer(8), data)
    with pytest.raises(
        ValueError, match="with an index by Pixels of 3 neighbours, variants False, not Pixels of 4 nei"
    ):
        encode(later, PixelTokenizer(8), data, indexing=Indexing(Pixels(), 4))
    encode(later, PixelTokenizer(8), data, indexing=Indexing(Pixels(), 3))
    assert contents(later) == whole


def test_an_empty_index_and_too_many_neighbours_are_refused(tmp_path):
    cache, _ = index_of(tmp_path / "pictures", tmp_path / "ids")
    empty = SimpleNamespace(dataset=lambda split: (), title="ImageFolder of nothing")
    with pytest.raises(ValueError, match="ImageFolder of nothing has no training pictures to index"):
        Indexing(Pixels()).describe(empty)
    with pytest.raises(ValueError, match="neighbours must be at least 1, not 0"):
        Indexing(Pixels(), 0)
    with pytest.raises(ValueError, match="keeps 3 neighbours of each picture, not 4; `lightgen index --neighbours 4`"):
        told_data(cache.folder, Neighbours(4))
    with pytest.raises(ValueError, match=r"made with shape \[8, 8\], not \[4, 4\]"):
        Index(cache.folder).require(prior_told(Neighbours(2), 4))


def parts(told, size=8):
    tokenizer = PixelTokenizer(size)
    made = Transformer(Interface(tokenizer.layout, tokenizer.layout.vocab_size + 1, conditioner=told), **SMALL)
    return tokenizer, made, Absorbing(tokenizer.layout.vocab_size), Recipe(MaskGIT(3))


def prior_told(conditioner, size=8):
    torch.manual_seed(0)
    prior = Prior(*parts(conditioner, size)).eval()
    for parameter in prior.network.parameters():
        nn.init.normal_(parameter, std=0.3)
    return prior


def told_data(folder, conditioner):
    """Cached tokens as they are when a prior is trained on them."""
    data = CachedTokens(str(folder), batch_size=4)
    module = SimpleNamespace(prior=prior_told(conditioner))
    data.trainer = SimpleNamespace(lightning_module=module, global_rank=0, world_size=1)
    data.setup("fit")
    return data


def test_training_is_told_neighbours_and_references_but_not_the_picture_itself(tmp_path):
    cache, _ = index_of(tmp_path / "pictures", tmp_path / "ids")
    data = told_data(cache.folder, Mixed([Picture(), Neighbours(2)]))
    for split in ("train", "val"):
        dataset, train, table = data.dataset(split), cache.dataset("train"), cache.neighbours(split)
        numbers = torch.arange(len(dataset))
        batch = dataset.__getitems__(plain(numbers))
        near = batch["condition"]["neighbours"]
        assert near.shape == (len(dataset), 2, 64)
        assert torch.equal(near[:, 1], train.ids(plain(torch.from_numpy(table[:, 1]))).flatten(1))
        own, reference = batch["ids"].flatten(1), batch["condition"]["picture"]
        hidden = reference == 256
        assert torch.equal(reference[~hidden], own[~hidden])
        share = hidden.float().mean(1)
        assert share.min() > 0.3 and share.max() < 1 and 0.6 < share.mean() < 0.9
        assert torch.equal(dataset.__getitems__(plain(numbers[2:3]))["condition"]["picture"][0], reference[2])
    assert data.conditions["neighbours"] == []
    # A prior that does not ask is told nothing.
    assert (
        told_data(cache.folder, ClassLabel(2)).dataset("train").__getitems__(plain(torch.arange(3)))["condition"] == {}
    )


def test_another_picture_of_the_same_identity_is_the_reference(tmp_path):
    picture_folder(tmp_path / "pictures", 24)
    paths = sorted(path.relative_to(tmp_path / "pictures") for path in (tmp_path / "pictures").rglob("*.png"))
    lines = [json.dumps({"file_name": str(path), "shows": str(i // 3)}) for i, path in enumerate(paths)]
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(lines))
    options = {**OPTIONS, "val_fraction": 0.0, "test_fraction": 0.0}
    encode(
        tmp_path / "ids", PixelTokenizer(8), ImageFolder(root=str(tmp_path / "pictures"), identity="shows", **options)
    )
    data = told_data(tmp_path / "ids", Picture())
    names, dataset = data.cache.names("train"), data.dataset("train")
    ids = dataset.ids(plain(torch.arange(24))).flatten(1)
    reference = dataset.__getitems__(plain(torch.arange(24)))["condition"]["picture"]
    chosen = (reference[:, None] == ids).all(-1).int().argmax(1).tolist()
    assert all(i != j and names[i] == names[j] for i, j in enumerate(chosen))


def test_data_without_neighbours_are_refused(tmp_path):
    _, data = index_of(tmp_path / "pictures", tmp_path / "ids")
    Neighbours(2).require_data({"neighbours": []})
    with pytest.raises(ValueError, match="the data have no neighbours; `lightgen index"):
        Neighbours(2).require_data(data.conditions)
    with pytest.raises(ValueError, match="the data have no picture; --data CachedTokens"):
        Picture().hide(Condition({"label": torch.tensor([0])}), Noise.of(0, 1))
    for made in (lambda: Picture(0), lambda: Neighbours(2, 0.0)):
        with pytest.raises(ValueError, match="dropout must be above 0"):
            made()


def image_of(seed=0, size=8):
    return torch.randint(0, 256, (1, size, size), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def test_pictures_are_made_like_others_with_a_weight():
    prior = prior_told(Mixed([Text(), Picture(), ClassLabel(3)]))
    image = image_of()
    plainly, liked = prior.sample(2, text="a fox"), prior.sample(2, text="a fox", like=image)
    assert not torch.equal(plainly, liked) and torch.equal(liked, prior.sample(2, text="a fox", like=(image, 1.0)))
    assert torch.equal(plainly, prior.sample(2, text="a fox", like=(image, 0.0)))
    assert torch.equal(prior.sample(2, like=image), prior.sample(2, text=("a fox", 0.0), like=image))
    assert not torch.equal(liked, prior.sample(2, text="a fox", like=(image, 0.5)))
    # Each its own, and one with a weight beside one without.
    two = prior.sample(text=["a fox", ("a fox", 0.0)], like=[(image, 0.5), image])
    assert torch.equal(two[:1], prior.sample(1, text="a fox", like=(image, 0.5))) and len(two) == 2
    asked = prior.condition(label=(2, 0.5), num_images=2, like=image)
    assert asked.tensors["label"].tolist() == [2, 2] and asked.weights["label"].tolist() == [0.5, 0.5]
    for given in ((image, -0.5), [(image, 0.5), (image, float("inf"))], (image, float("nan"))):
        with pytest.raises(ValueError, match="a weight must be at least 0, not"):
            prior.sample(2, like=given)
    with pytest.raises(ValueError, match=r"a reference picture must be \(1, 8, 8\), not \(1, 9, 9\)"):
        prior.sample(like=image_of(size=9))
    with pytest.raises(ValueError, match="image must be a tensor or a picture of Pillow, not str"):
        prior.sample(like="cat.png")
    with pytest.raises(ValueError, match="not 2; a weight is a float, as in"):
        prior.sample(like=(image, 2))
    with pytest.raises(ValueError, match="like was given, but this prior was trained without like; it knows text"):
        prior_told(Text()).sample(like=image)
    with pytest.raises(ValueError, match=r"picture must be \(B, 64\) int64 ids, not \(1, 63\)"):
        prior.completed(Condition({"picture": torch.zeros(1, 63, dtype=torch.long)}), Noise.of(0, 1))


def test_pictures_in_memory_and_weights_are_in_the_settings():
    prior, image = prior_told(Mixed([Text(), Picture(), Neighbours(K), ClassLabel(3)])), image_of()
    near = ids_of(2, K, 64, seed=5)
    asked = {"text": ("a fox", 0.5), "label": [(2, 0.25), 1], "like": [image, (image, 0.5)], "neighbours": near}
    made = prior(2, **asked)
    assert torch.equal(made.tensor, prior.sample(2, **asked))
    first, second = made.settings
    assert (first["text"], first["label"], second["text"], second["label"]) == ("a fox", 2, "a fox", 1)
    assert first["weighed"] == {"text": 0.5, "label": 0.25} and second["weighed"] == {"text": 0.5, "like": 0.5}
    assert first["in_memory"]["like"] == second["in_memory"]["like"]
    assert first["in_memory"]["neighbours"] != second["in_memory"]["neighbours"]
    # One for all, and nothing where nothing is asked for.
    assert [one["in_memory"].keys() for one in prior(2, like=image).settings] == [{"like"}] * 2
    assert not {"in_memory", "weighed"} & prior(1, label=1, text=("a fox", 1.0)).settings[0].keys()
    said = lacking(json.loads(json.dumps(first)))
    assert "its text had a weight of 0.5, which only Python takes" in said and "give one with --like F.png;" in said
    assert lacking(first, {"text", "label", "like", "neighbours"}) == ""


def test_a_memory_is_asked_for_what_is_near(tmp_path):
    cache, data = index_of(tmp_path / "pictures", tmp_path / "ids")
    prior, index = prior_told(Neighbours(2)), Index(cache.folder)
    images = torch.stack([data.dataset("train")[i]["image"] for i in range(4)])
    asked = index.like(prior, images, 2)
    # What is in the memory is not found again.
    table = torch.from_numpy(cache.neighbours("train")[:4, :2])
    assert torch.equal(asked.tensors["neighbours"], index.memory.ids(plain(table.flatten())).reshape(4, 2, 64))
    made = prior.sample(4, neighbours=asked.tensors["neighbours"])
    assert made.shape == (4, 1, 8, 8) and not torch.equal(made, prior.sample(4))
    drawn = index.drawn(prior, Noise.of(0, 50), 2).tensors["neighbours"]
    assert torch.equal(drawn[7:9], index.drawn(prior, Noise.of(0, 2, 7), 2).tensors["neighbours"])
    assert len(drawn.unique(dim=0)) > 10


def interleaved(share, ids, clock=None):
    """Logits of a denoiser, and how many evaluations they took."""
    made = network(told=conditioner())
    guidance = share if isinstance(share, ConstantGuidance) else Interleaved(share, 2.0, 3.0)
    denoise = Denoiser(made, made.layout, Condition(told()), guidance=guidance).bind(torch.arange(2), keeps=True)
    with torch.no_grad():
        own = denoise(ids, clock or Clock.even(0, torch.nan, 0.0, ids)).own
    return own, denoise.evaluations.tolist()


def test_interleaved_guidance_takes_one_of_two_at_each_step():
    ids = ids_of(2, N)
    text, near = ConstantGuidance(2.0, hidden=["caption"]), ConstantGuidance(3.0, hidden=["neighbours"])
    for share, alone in ((1.0, text), (0.0, near)):
        (own, cost), (expected, other) = interleaved(share, ids), interleaved(alone, ids)
        assert torch.equal(own, expected) and cost == other == [2, 2]
        assert Interleaved(share).constant
    guidance = Interleaved(0.3, 2.0, 3.0)
    assert len(guidance.branches) == 3 and not guidance.constant
    first = [bool(guidance.takes_first(step)) for step in range(400)]
    assert 0.22 < sum(first) / 400 < 0.38
    assert [bool(guidance.takes_first(torch.tensor(step))) for step in range(400)] == first
    for step in range(6):
        own, cost = interleaved(0.3, ids, Clock.even(step, torch.nan, 0.0, ids))
        torch.testing.assert_close(own, interleaved(text if first[step] else near, ids)[0], rtol=1e-4, atol=1e-4)
        assert cost == [3, 3]
    assert len(set(first[:6])) == 2
    with pytest.raises(ValueError, match=r"share must be in \[0, 1\], not 2"):
        Interleaved(2)


def test_interleaved_guidance_samples_and_asks_for_names_that_are_known():
    prior = prior_told(Mixed([ClassLabel(3), Neighbours(2)]))
    guidance = Interleaved(0.5, 2.0, 2.0, ["label"])
    near = torch.randint(0, 256, (2, 2, 64))
    recipe = prior.recipe.replace(guidance=guidance)
    sample = prior.sample_ids(Noise.of(0, 2), recipe, Condition({"label": torch.tensor([0, 1]), "neighbours": near}))
    assert sample.trace.evaluations.tolist() == [9, 9]
    assert torch.equal(sample.ids[1:], prior.sample_ids(
        Noise.of(0, 1, 1), recipe, Condition({"label": torch.tensor([1]), "neighbours": near[1:]})).ids)  # fmt: skip
    with pytest.raises(ValueError, match="guidance goes away from caption; this prior was trained with label, neigh"):
        prior.chosen(guidance=Interleaved())


@pytest.mark.parametrize("told", [Neighbours(2), Picture()])
def test_what_is_told_is_learned_and_shuffled_is_chance(told):
    """Pictures of which one of the others shows the same: half of the ids are wrong in each."""
    torch.manual_seed(0)
    made = Transformer(Interface(Layout(GRID, 4), 5, conditioner=told), dim=32, heads=2, dim_head=16, depth=2)
    optimizer, name = torch.optim.Adam(made.parameters(), 6e-3), told.names[0]
    nothing = torch.full((64, N), 4)

    def loss(step, shuffled=False):
        generator = torch.Generator().manual_seed(step)
        ids = torch.randint(0, 4, (64, 1), generator=generator).expand(-1, N)
        wrong = torch.randint(0, 4, (64, told.num, N), generator=generator)
        kept = torch.rand(64, told.num, N, generator=generator) < 0.5
        near = torch.where(kept, ids[:, None], wrong)
        near = (near.roll(1, 0) if shuffled else near).flatten(1).reshape(64, *([2, N] if told.num == 2 else [N]))
        context = made.context(Condition({name: near}), 64)
        return cross_entropy(made(nothing, None, context).transpose(1, 2), ids)

    for step in range(60):
        optimizer.zero_grad()
        loss(step).backward()
        optimizer.step()
    with torch.no_grad():
        right, shuffled = loss(1000), loss(1000, shuffled=True)
    chance = torch.tensor(4.0).log()
    assert right < 0.5 * chance < chance < shuffled
