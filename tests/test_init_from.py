"""Training that begins with the weights of a checkpoint: `lightgen fit --init_from P`."""

import pytest
import torch
from test_cli_errors import mistake

import lightgen
from lightgen.cli.main import main
from lightgen.modules.initial import take

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
        assert ("conditioner.embedding.weight (3, 16) begins anew; there it is (4, 16)" in said) == (labels == "true")


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
