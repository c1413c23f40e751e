"""Training that runs away: nothing that is not finite is kept, shown as a score, or read."""

import itertools
import re

import pytest
import torch
from lightning.pytorch import Trainer

import lightgen
from lightgen.cli.main import main
from lightgen.data import SyntheticImages
from lightgen.modules import PriorModule
from lightgen.modules.means import Means
from lightgen.networks import Transformer
from lightgen.processes import Absorbing, MaskReplace
from lightgen.recipe import Recipe
from lightgen.samplers import Ancestral, MaskGIT

QUIET = ["--trainer.enable_progress_bar", "false"]


def said(capsys):
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("lightgen: ")]


@pytest.mark.parametrize("stage", ["tokenizer", "prior"])
def test_a_run_that_runs_away_ends_in_one_line_and_keeps_what_was_good(tmp_path, runs, capsys, stage):
    config = ["--config", "tiny.yaml" if stage == "prior" else "tiny-tokenizer.yaml"]
    tokenizer = ["--model.tokenizer", str(runs / "tokenizer" / "last.ckpt")] if stage == "prior" else []
    options = [*config, *tokenizer, *QUIET, "--trainer.default_root_dir", str(tmp_path)]
    options += ["--checkpoints.every_n_train_steps", "1"]
    # It ends before the patience, and validates while the weights are no good.
    assert main(["fit", *options, "--trainer.max_steps", "12", "--model.optimizer.lr", "1e30"]) == 1
    (line,) = said(capsys)
    assert "training ran away: the last" in line and "debug" not in line
    # Saved at each step, but for those that ran away.
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] <= 2
    assert all(
        t.isfinite().all() for name in ("state_dict", "current_model_state") for t in kept.get(name, {}).values()
    )


def test_weights_that_are_not_finite_are_refused(tmp_path, prior_checkpoint, capsys):
    for bad in (torch.nan, torch.inf):
        contents = torch.load(prior_checkpoint, weights_only=True)
        name = next(n for n in contents["current_model_state"] if n.startswith("prior.network."))
        contents["current_model_state"][name].view(-1)[-1] = bad
        path = tmp_path / "bad.ckpt"
        torch.save(contents, path)
        with pytest.raises(ValueError, match=r"bad\.ckpt holds weights that are NaN or infinite, the first in prior"):
            lightgen.load(path)
    for command in (["sample", "--out", str(tmp_path / "out")], ["export", "--out", str(tmp_path / "out")]):
        assert main([*command, "--ckpt_path", str(path)]) == 2
        (line,) = said(capsys)
        assert str(path) in line and "NaN or infinite" in line
    assert not (tmp_path / "out").exists()


def prior_module(coder, process, sampler, **more):
    torch.manual_seed(0)
    network = lambda interface: Transformer(interface, dim=16, depth=1, heads=2, dim_head=8)  # noqa: E731
    return PriorModule(coder, network, lambda vocab_size: process(vocab_size), Recipe(sampler),
                       optimizer=lambda p: torch.optim.SGD(p, 0.1), **more)  # fmt: skip


def train(module, steps, root):
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "accelerator": "cpu"}
    data = SyntheticImages(16, 100, batch_size=4, val_fraction=0.2, test_fraction=0.0)
    trainer = Trainer(**silent, max_steps=steps, limit_val_batches=0, use_distributed_sampler=False,
                      enable_checkpointing=False, default_root_dir=root)  # fmt: skip
    trainer.fit(module, datamodule=data)


def test_a_priors_update_that_is_not_finite_leaves_no_trace(tmp_path, tokenizer_checkpoint):
    """Neither in the network nor in what the process measures, of which importance sampling is made."""

    def process(vocab_size):
        return MaskReplace(vocab_size, num_steps=5, importance=True)

    module, states = prior_module(str(tokenizer_checkpoint), process, Ancestral(4)), []
    step = module.training_step

    def spied(batch, batch_idx):
        states.append({n: t.clone() for n, t in module.state_dict().items()})
        handle = module.prior.network.register_forward_hook(
            lambda module, args, logits: logits * torch.nan if batch_idx == 2 else logits
        )
        loss = step(batch, batch_idx)
        handle.remove()
        return loss

    module.training_step = spied
    train(module, 5, tmp_path)
    moved = [[n for n in a if not torch.equal(a[n], b[n])] for a, b in itertools.pairwise(states)]
    assert moved[0] and moved[1] and not moved[2] and moved[3] and module.guard.skipped == 1
    assert any("squares" in name for name in moved[3])


def test_a_critics_update_is_guarded_too(tmp_path, tokenizer_checkpoint):
    network = lambda interface: Transformer(interface, dim=16, depth=1, heads=2, dim_head=8)  # noqa: E731
    module = prior_module(str(tokenizer_checkpoint), Absorbing, MaskGIT(4), others={"critic": network})
    module.prior.others["critic"].register_forward_hook(lambda module, args, out: out * torch.nan)
    before = {n: t.clone() for n, t in module.state_dict().items()}
    with pytest.raises(FloatingPointError, match="the last 3 updates"):
        module.guard.patience = 3
        train(module, 9, tmp_path)
    assert all(torch.equal(t, before[n]) for n, t in module.state_dict().items() if t.is_floating_point())


def test_means_say_how_many_batches_were_not_finite():
    means = Means(torch.device("cpu"))
    for value in (1.0, torch.nan, 3.0, torch.inf):
        means.add("val/loss", torch.tensor(value), 2)
        means.add("val/accuracy", torch.tensor(0.5), 2)
    scores, lines = means.compute()
    assert not scores["val/loss"].isfinite() and scores["val/accuracy"] == 0.5
    assert lines == ["val/loss was not finite on 2 of 4 batches"]


def test_a_mean_counts_pictures_and_not_batches():
    means = Means(torch.device("cpu"))
    means.add("val/loss", torch.tensor(1.0), 3)
    means.add("val/loss", torch.tensor(2.0), 1)
    assert means.compute() == ({"val/loss": 1.25}, [])


@pytest.mark.parametrize("rate", ["nan", ".nan", ".inf"])
def test_a_learning_rate_that_is_no_number_is_refused(tmp_path, tokenizer_checkpoint, capsys, rate):
    options = ["--config", "tiny.yaml", "--model.tokenizer", str(tokenizer_checkpoint), *QUIET]
    options += ["--trainer.default_root_dir", str(tmp_path / "run"), "--model.optimizer.lr", rate]
    assert main(["fit", *options]) == 2
    (line,) = said(capsys)
    # torch says it of a float, in its words.
    assert re.search("lr must be a (finite )?number, not|Invalid learning rate: nan", line) and len(line) < 100
    assert not (tmp_path / "run").exists()
