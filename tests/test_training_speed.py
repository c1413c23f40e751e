"""What makes training fast or small and changes nothing: compiled parts, activations that are worked out again."""

import multiprocessing

import pytest
import torch
from torch import nn

import lightgen.modules.base
from lightgen.cli.main import main
from lightgen.conditioners import ClassLabel
from lightgen.layout import Layout
from lightgen.networks import CausalTransformer, Hourglass, Transformer
from lightgen.networks.activation_checkpointing import checkpoint_activations
from lightgen.networks.attention import attend
from lightgen.networks.base import Interface


@pytest.mark.parametrize(("make", "more"), [(Transformer, {"depth": 3}), (Hourglass, {}), (CausalTransformer, {})])
def test_activations_are_worked_out_again_and_not_kept(make, more):
    torch.manual_seed(0)
    conditioner = None if make is CausalTransformer else ClassLabel(3)
    network = make(Interface(Layout((4, 4), 7), 8, conditioner=conditioner), dim=16, heads=2, dim_head=8, **more)
    ids = torch.randint(7, (5, 16))
    results = []
    for again in (False, True):
        if again:
            checkpoint_activations(network)
        network.zero_grad()
        kept = [0]

        def keep(tensor, kept=kept):
            kept[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = nn.functional.cross_entropy(network(ids).flatten(0, 1), ids.flatten())
        loss.backward()
        results.append((kept[0], loss.detach(), [p.grad for p in network.parameters()]))
    (much, *expected), (little, *found) = results
    assert little < much / 2
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert (
        network.state_dict().keys() == make(network.interface, dim=16, heads=2, dim_head=8, **more).state_dict().keys()
    )


def test_a_training_compiles_its_parts_once_and_learns_the_same(tmp_path):
    # The compiler leaves threads behind, after which other tests could not fork.
    process = multiprocessing.get_context("fork").Process(target=compile_once, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0


def compile_once(folder):
    counted = []

    def count(graph, inputs):
        counted.append(graph)
        return graph.forward

    own = nn.Module.compile
    lightgen.modules.base.nn.Module.compile = lambda self: own(self, backend=count, fullgraph=True)
    weights = []
    for compiles in ("false", "true"):
        out = folder / compiles
        more = ["--trainer.max_steps", "3", "--trainer.limit_val_batches", "0", "--trainer.default_root_dir", str(out)]
        assert main(["fit", "--config", "tiny-tokenizer.yaml", "--model.compile", compiles, *more]) == 0
        weights.append(torch.load(out / "last.ckpt", weights_only=False)["state_dict"])
        assert len(counted) == (2 if compiles == "true" else 0)
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.parametrize("causal", [False, True])
def test_attention_that_is_trained_in_bfloat16_on_a_cpu_is_exact_but_for_its_inputs(causal):
    torch.manual_seed(0)
    q, k, v = (torch.randn(2, 3, 5, 8, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    bias = None if causal else torch.randn(2, 1, 1, 5, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = attend(q, k, v, bias, causal)
    expected = attend(q.float(), k.float(), v.float(), None if bias is None else bias.float(), causal)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected.bfloat16(), rtol=0, atol=0)
    assert [each.dtype for each in torch.autograd.grad(found.sum(), (q, k, v))] == [torch.bfloat16] * 3
