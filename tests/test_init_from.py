"""Training that begins with the weights of a checkpoint: `lightgen fit --init_from P`."""

import pytest
import torch
from test_cli_errors import mistake

import lightgen
from lightgen.cli.main import main
from lightgen.conditioners import ClassLabel
from lightgen.layout import Layout
from lightgen.modules.initial import interpolated, take
from lightgen.networks import CausalTransformer, Transformer
from lightgen.networks.base import Interface
from lightgen.networks.low_rank import adapt, merged

QUIET = ["--trainer.max_steps", "1", "--trainer.limit_val_batches", "0", "--trainer.enable_progress_bar", "false"]


def trained(path, out, *more):
    """What a step with a learning rate of 0 leaves of it."""
    data = ["--data", "SyntheticImages", "--data.image_size", "16", "--data.num_images", "40", "--data.batch_size", "4"]
    args = ["fit", "--init_from", str(path), *data, "--model.optimizer.lr", "0", *QUIET]
    assert main([*args, "--trainer.default_root_dir", str(out), *more]) == 0
    return lightgen.load(out / "last.ckpt")


def test_a_prior_goes_on_from_the_weights_and_settings_of_another(prior_checkpoint, tmp_path):
    before, after = lightgen.load(prior_checkpoint), trained(prior_checkpoint, tmp_path)
    assert repr(after) == repr(before)
    for (name, expected), found in zip(before.state_dict().items(), after.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, msg=name)


def test_a_tokenizer_goes_on_too(tokenizer_checkpoint, tmp_path):
    before, after = lightgen.load(tokenizer_checkpoint), trained(tokenizer_checkpoint, tmp_path)
    assert all(torch.equal(*pair) for pair in zip(before.decoder.parameters(), after.decoder.parameters(), strict=True))


def test_other_classes_begin_anew_and_the_rest_does_not(prior_checkpoint, tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(8):
            picture = torch.full((3, 16, 16), 16 * i, dtype=torch.uint8)
            lightgen.to_pil(picture[None])[0].save(tmp_path / "pictures" / name / f"{i}.png")
    folder = ["--data", "ImageFolder", "--data.root", str(tmp_path / "pictures"), "--data.batch_size", "4"]
    args = ["fit", "--init_from", str(prior_checkpoint), *folder, "--data.image_size", "16", *QUIET]
    before = lightgen.load(prior_checkpoint)
    for labels in ("true", "false"):
        out = tmp_path / labels
        assert main([*args, "--data.labels", labels, "--model.optimizer.lr", "0",
                     "--trainer.default_root_dir", str(out)]) == 0  # fmt: skip
        after = lightgen.load(out / "last.ckpt")
        assert torch.equal(after.network.token.weight, before.network.token.weight)
        assert (after.network.conditioner is None) == (labels == "false")
        said = capsys.readouterr().err
        rows = [line.split() for line in said.splitlines()]
        assert (["conditioner.embedding.weight", "3x16", "4x16", "begins", "anew"] in rows) == (labels == "true")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "--init_from"], "--init_from needs a checkpoint"),
        (["fit", "--init_from=none.ckpt"], "no checkpoint at none.ckpt"),
    ],
)
def test_what_cannot_be_begun_with(capsys, args, message):
    assert message in mistake(capsys, args)


def test_a_network_that_has_little_in_common_is_refused():
    with pytest.raises(ValueError, match="only 0% of the weights of Linear are in the Conv2d that it is to begin with"):
        take(torch.nn.Linear(3, 4), torch.nn.Conv2d(3, 3, 3))


def test_ids_of_another_tokenizer_are_refused(prior_checkpoint, tokenizer_checkpoint, tmp_path, capsys):
    other = torch.load(tokenizer_checkpoint, weights_only=True)
    for part, expected in (("decoder.", 0), ("encoder.", 2)):
        name = next(name for name in other["state_dict"] if part in name and name.endswith("bias"))
        other["state_dict"][name] += 1
        torch.save(other, tmp_path / "other.ckpt")
        args = ["fit", "--init_from", str(prior_checkpoint), "--model.tokenizer", str(tmp_path / "other.ckpt"), *QUIET]
        data = [
            "--data",
            "SyntheticImages",
            "--data.image_size",
            "16",
            "--data.num_images",
            "20",
            "--data.batch_size",
            "4",
        ]
        assert main([*args, *data, "--trainer.default_root_dir", str(tmp_path / "run")]) == expected
    assert "trained on ids of another tokenizer" in capsys.readouterr().err


def test_places_of_another_grid_are_interpolated():
    small, large = Layout((4, 4), 8), Layout((8, 8), 8)
    columns = torch.linspace(0, 1, 4).repeat(4)
    cells = torch.stack([columns, torch.full((16,), 3.0)], 1)
    found = interpolated(cells, small, large)
    assert torch.allclose(found[:, 1], torch.tensor(3.0)) and torch.equal(interpolated(cells, small, small), cells)
    rows = found[:, 0].unflatten(0, (8, 8))
    assert torch.allclose(rows, rows[:1].expand(8, 8), atol=1e-6) and bool((rows[0].diff() > 0).all())


@pytest.mark.parametrize("num_codes", [1, 2])
def test_codes_are_taken_where_only_mask_differs(num_codes):
    layout = Layout((2, 2), 8, num_codes)
    plain, masked = (Transformer(Interface(layout, ids), dim=16, depth=1, heads=2) for ids in (8, 9))
    for network, other in ((masked, plain), (plain, masked)):
        mask = network.token.weight.detach().unflatten(0, (num_codes, -1))[:, 8:].clone()
        anew, table = take(network, other)
        own, there = (one.token.weight.unflatten(0, (num_codes, -1)) for one in (network, other))
        assert torch.equal(own[:, :8], there[:, :8]) and torch.equal(own[:, 8:], mask)
        assert anew == {"token.weight"} and "its codes are taken" in table[1] and len(table) == 2
        torch.nn.init.normal_(other.token.weight)
    larger = Transformer(Interface(Layout((2, 2), 10, num_codes), 10), dim=16, depth=1, heads=2)
    assert "begins anew" in " ".join(take(larger, plain)[1])


@pytest.mark.parametrize(("now", "before"), [(Transformer, CausalTransformer), (CausalTransformer, Transformer)])
def test_the_blocks_of_a_causal_network_and_of_another_are_the_same(now, before):
    size = {"dim": 16, "depth": 2, "heads": 2, "dim_head": 8}
    interface = Interface(Layout((4, 4), 7), 8, conditioner=ClassLabel(3))
    network, other = now(interface, **size), before(interface, **size)
    anew, said = take(network, other)
    assert anew == ({"position.weight"} if now is CausalTransformer else set())
    assert len(said) == (2 if anew else 0)
    blocks = [getattr(each, "stack", each).blocks for each in (network, other)]
    assert all(torch.equal(*pair) for pair in zip(*(each.parameters() for each in blocks), strict=True))


def test_a_low_rank_beside_each_matrix():
    network = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), torch.nn.LayerNorm(3))
    before, x = {name: tensor.clone() for name, tensor in network.state_dict().items()}, torch.randn(5, 6)
    said = network(x)
    adapt(network, 2, anew=["3.weight"])
    assert torch.equal(network(x), said) and before.keys() == merged(network.state_dict()).keys()
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    low = {f"{layer}.parametrizations.weight.0.{part}" for layer in "02" for part in ("down", "up")}
    assert trained == low | {"3.weight"}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        network(x).square().sum().backward()
        optimizer.step()
    after = merged(network.state_dict())
    assert torch.linalg.matrix_rank(after["0.weight"] - before["0.weight"]) == 2
    assert torch.equal(after["0.bias"], before["0.bias"]) and not torch.equal(after["3.weight"], before["3.weight"])
    plain = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3), torch.nn.LayerNorm(3))
    plain.load_state_dict(after)
    assert torch.allclose(plain(x), network(x), atol=1e-6)
    with pytest.raises(ValueError, match="lora_rank must be at least 1, not 0"):
        adapt(plain, 0, anew=())


def test_a_prior_finetuned_by_low_rank_is_one_like_any_other(prior_checkpoint, tmp_path, capsys):
    rank, lr, steps = ["--model.lora_rank", "2"], ["--model.optimizer.lr", "0.01"], ["--trainer.max_steps", "3"]
    before, after = lightgen.load(prior_checkpoint), trained(prior_checkpoint, tmp_path, *rank, *lr, *steps)
    assert repr(after) == repr(before)
    changed = []
    for (name, theirs), (own, ours) in zip(before.state_dict().items(), after.state_dict().items(), strict=True):
        assert name == own
        changed += [] if torch.equal(theirs, ours) else [name]
        assert ours.ndim != 2 or int(torch.linalg.matrix_rank((ours - theirs).float())) <= 2
    assert changed and all(name.startswith("network.") and name.endswith(".weight") for name in changed)
    assert "network.token.weight" not in changed

    again = ["fit", "--init_from", str(prior_checkpoint), "--data", "SyntheticImages", "--data.image_size", "16",
             "--data.num_images", "40", "--data.batch_size", "4", *QUIET, *rank, *lr, "--trainer.max_steps", "5",
             "--ckpt_path", str(tmp_path / "last.ckpt"), "--trainer.default_root_dir", str(tmp_path)]  # fmt: skip
    assert main(again) == 0
    longer = lightgen.load(tmp_path / "last.ckpt").state_dict()
    assert any(not torch.equal(longer[name], after.state_dict()[name]) for name in changed)
    capsys.readouterr()
    args = ["fit", "--config", "tiny.yaml", "--model.tokenizer", str(prior_checkpoint), *rank]
    assert "lora_rank goes with --init_from" in mistake(capsys, args)
