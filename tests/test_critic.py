"""A critic is trained beside the network, tells real tokens from drawn ones, and leaves the network alone."""

import json

import pytest
import torch
from stubs import TableNetwork, interface
from torch import nn
from torchmetrics.functional.classification import binary_auroc

import lightgen
from lightgen.bench.joint import Joint, N, V
from lightgen.cli.main import main
from lightgen.functional.errors import roc_area
from lightgen.functional.random import Noise
from lightgen.networks import Transformer
from lightgen.prior import Prior
from lightgen.processes import Absorbing, Uniform
from lightgen.recipe import Recipe
from lightgen.samplers import SUNDAE, Ancestral
from lightgen.samplers.base import fitting
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import NoiseFamily

CRITIC = ["--model.others.critic", "Transformer", "--model.others.critic.dim", "16",
          "--model.others.critic.depth", "1", "--model.others.critic.heads", "2",
          "--model.others.critic.dim_head", "8"]  # fmt: skip


class Perceptron(nn.Module):
    """Sees all tokens at once."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(N * V, 64), nn.ReLU(), nn.Linear(64, N))

    def forward(self, ids_BN, time=None):
        return self.layers(nn.functional.one_hot(ids_BN, V).flatten(1).float()).unsqueeze(-1)


def real(joint, noise):
    return joint.states[torch.searchsorted(joint.probability.cumsum(0), noise.uniform(0, 60, 1).squeeze(1).double())]


def test_a_critic_learns_to_find_the_wrong_tokens():
    """The network draws every token by how often it stands anywhere; the critic sees that they do not fit."""
    torch.manual_seed(0)
    joint, process, critic, network = Joint(), Absorbing(V), Perceptron(), TableNetwork(V + 1, V)
    optimizer, losses = torch.optim.Adam(critic.parameters(), 1e-2), []
    for step in range(300):
        noise = Noise.of(0, 256).fold(step)
        output = process.critic_loss(critic, network, real(joint, noise), noise)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.metrics)
    assert network.table.grad is None
    first, last = ({name: torch.stack([m[name] for m in some]).mean().item() for name in some[0]}
                   for some in (losses[:1], losses[-50:]))  # fmt: skip
    noise = Noise.of(1, 20_000)
    filled = []

    def watch(ids, time=None):
        filled.append(ids)
        return torch.zeros(*ids.shape, 1)

    clean = real(joint, noise)
    chance = process.critic_loss(watch, network, clean, noise).metrics["critic_accuracy"].item()
    wrong = (filled[0] != clean).float()
    assert chance == pytest.approx(1 - wrong.mean().item())  # to call everything right
    assert last["critic_accuracy"] > chance + 0.02 and last["critic_auc"] > 0.65
    assert last["critic_loss"] < first["critic_loss"] and abs(first["critic_auc"] - 0.5) < 0.1


def test_only_masked_tokens_are_filled_and_the_target_is_what_changed():
    process, network, noise, seen = Absorbing(V), TableNetwork(V + 1, V), Noise.of(0, 4000), []

    def critic(ids, time=None):
        seen.append(ids)
        return (ids == 0).float().unsqueeze(-1) * 200 - 100

    ones = torch.ones(4000, N, dtype=torch.long)
    output = process.critic_loss(critic, network, ones, noise)
    wrong = seen[0] != 1
    # Half of the tokens are masked on average, and drawn from the row of MASK.
    expected = 0.5 * (1 - network.table[V].softmax(-1)[1])
    assert abs(wrong.float().mean() - expected) < 4 * (0.25 / (4000 * N)) ** 0.5
    assert output.metrics["critic_accuracy"].item() == pytest.approx((wrong == (seen[0] == 0)).float().mean().item())


def test_roc_area_is_that_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    scores, positive = torch.randn(300, generator=generator), torch.rand(300, generator=generator) < 0.3
    scores += positive
    torch.testing.assert_close(roc_area(scores, positive), binary_auroc(scores, positive.long()))
    assert roc_area(scores, torch.zeros(300, dtype=torch.bool)) == 0.5


def test_a_critic_needs_masks():
    network, critic = (Transformer(interface(2, num, (2, 2)), dim=8, depth=1, heads=1, dim_head=8) for num in (2, 1))
    with pytest.raises(ValueError, match="the process Uniform trains no critic, but one network alone"):
        Prior(PixelTokenizer((2, 2)), network, Uniform(256), Recipe(SUNDAE()), {"critic": critic})


@pytest.fixture(scope="module")
def checkpoint(tokenizer_checkpoint, tmp_path_factory):
    """A prior with a critic, trained by the real command."""
    root = tmp_path_factory.mktemp("critic")
    args = ["fit", "--config", "tiny.yaml", "--config", "method/absorbing.yaml", *CRITIC]
    more = ["--model.tokenizer", str(tokenizer_checkpoint), "--trainer.enable_progress_bar", "false"]
    short = ["--trainer.max_steps", "4", "--trainer.val_check_interval", "2", "--trainer.default_root_dir", str(root)]
    assert main([*args, *more, *short]) == 0
    return root / "last.ckpt"


def test_a_critic_is_trained_stored_and_asked(checkpoint, tmp_path, capsys):
    weights = torch.load(checkpoint, weights_only=True)["state_dict"]
    assert any(name.startswith("prior.others.critic.") for name in weights)
    prior = lightgen.load(checkpoint)
    critic = prior.others["critic"]
    assert critic.num_outputs == 1 and critic.num_ids == prior.process.vocab_size
    args = ["sample", "--ckpt_path", str(checkpoint), "--num_images", "2", "--out", str(tmp_path)]
    assert main([*args, "--sampler", "TokenCritic", "--sampler.steps", "3"]) == 0
    assert json.loads((tmp_path / "samples.json").read_text())["evaluations"] == [5, 5]
    plain = prior.sample(2, Recipe(Ancestral(4)))
    assert plain.shape[0] == 2


def test_a_prior_without_a_critic_refuses_in_one_line(prior_checkpoint, tokenizer_checkpoint, tmp_path, capsys):
    args = ["fit", "--config", "tiny.yaml", "--config", "method/absorbing.yaml", "--model.tokenizer",
            str(tokenizer_checkpoint), "--model.recipe.sampler", "TokenCritic", "--trainer.default_root_dir",
            str(tmp_path), "--trainer.enable_progress_bar", "false"]  # fmt: skip
    assert main(args) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(lines) == 1 and "TokenCritic needs a prior trained with --model.others.critic" in lines[0]


def test_checkpoints_from_before_there_were_critics_load(prior_checkpoint, tmp_path):
    contents = torch.load(prior_checkpoint, weights_only=True)
    assert contents["lightgen"]["component"]["arguments"].pop("others") == {}
    torch.save(contents, tmp_path / "old.ckpt")
    assert torch.equal(lightgen.load(tmp_path / "old.ckpt").sample(2), lightgen.load(prior_checkpoint).sample(2))


def test_samplers_that_ask_a_critic_fit_where_there_is_one():
    without, beside = fitting(NoiseFamily.ABSORBING, ()), fitting(NoiseFamily.ABSORBING, ("critic",))
    assert "MaskGIT" in without and "TokenCritic" not in without
    assert beside == sorted([*without, "TokenCritic"])
