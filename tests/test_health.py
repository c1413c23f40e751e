"""What is said of a tokenizer at every validation."""

import pytest
import torch
from stubs import Pixels
from torch import nn
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity
from torchvision import models

from lightgen.cli.main import main
from lightgen.functional.distances import frechet_distance
from lightgen.functional.random import Noise
from lightgen.layout import Layout
from lightgen.losses.perceptual import LPIPS, TRUNKS, FeatureDistance
from lightgen.metrics.health import Health, replace_at_random
from lightgen.tokenizers import PixelTokenizer
from lightgen.types import to_unit


class _Grey(Pixels):
    """The pixels of one channel, of which there are 16."""

    def __init__(self):
        super().__init__(4)
        self.dim = 16

    def features(self, images):
        return images[:, 0].flatten(1) / 255


def pictures(num=40, high=256, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, (num, 1, 4, 4), generator=generator, dtype=torch.uint8)


def examined(images, batch_size=40, **kwargs):
    health = Health(Layout((4, 4), 256), **kwargs)
    # SSIM needs larger pictures than these.
    health.ssim.update = lambda *args: None
    health.ssim.compute = lambda: torch.zeros(())
    for index in torch.arange(len(images)).split(batch_size):
        health.update(PixelTokenizer(4), images[index], index)
    return health


def test_a_perfect_tokenizer():
    health = examined(pictures(), features=_Grey())
    scores = health.compute()
    assert scores["psnr"].isinf() and abs(scores["FD(pixels)"]) < 1e-6
    used = len(pictures().unique())
    assert scores["codebook_usage"] == pytest.approx(used / 256) and scores["codebook_dead"] == 256 - used
    health.reset()
    health.update(PixelTokenizer(4), pictures(1, high=1), torch.zeros(1, dtype=torch.long))
    assert health.usage.compute()["dead"] == 255 and health.psnr.compute().isinf()


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_random_codes_are_scored_as_such(share):
    images = pictures()
    scores = examined(images, features=_Grey(), random_share=share, seed=3).compute()
    disturbed = replace_at_random(images.squeeze(1).long(), share, 256, Noise.of(3, len(images)))
    expected = frechet_distance(images.flatten(1) / 255, disturbed.flatten(1) / 255)
    assert float(scores[f"FD(pixels) {share:.0%} random"]) == pytest.approx(float(expected), rel=1e-5)
    assert expected > scores["FD(pixels)"]


def test_scores_do_not_depend_on_batches():
    one, many = (examined(pictures(), size, features=_Grey()).compute() for size in (40, 7))
    assert one.keys() == many.keys()
    for name, value in one.items():
        torch.testing.assert_close(many[name], value, msg=name)


def test_replaced_shares_and_codes():
    ids = torch.full((500, 2, 4, 4), 9)
    replaced = replace_at_random(ids, 0.2, 5, Noise.of(0, 500))
    assert replaced.shape == ids.shape
    assert float((replaced != 9).float().mean()) == pytest.approx(0.2, abs=0.01)
    counts = replaced[replaced != 9].bincount(minlength=5)
    assert len(counts) == 5 and (counts / counts.sum() - 0.2).abs().max() < 0.02
    assert torch.equal(replace_at_random(ids[7:8], 0.2, 5, Noise.of(0, 1, 7)), replaced[7:8])


def test_a_collapsed_codebook_gets_advice():
    collapsed = examined(pictures(high=20))
    advice = collapsed.advice(collapsed.compute()["codebook_usage"])
    assert advice is not None and advice.startswith("only 20 of 256 codes are in use: ") and "\n" not in advice
    assert examined(pictures(high=20), low_usage=0.0).advice(torch.tensor(20 / 256)) is None
    healthy = examined(pictures())
    assert healthy.advice(healthy.compute()["codebook_usage"]) is None
    # 16 tokens cannot use 256 codes, which is not the codebook's fault.
    few = examined(pictures(1))
    assert few.advice(few.compute()["codebook_usage"]) is None


def test_the_command_line_warns_in_one_line(capsys, tmp_path):
    common = ["--config", "tiny-tokenizer.yaml", "--trainer.default_root_dir", str(tmp_path)]
    common += ["--model.health", "Health", "--model.health.low_usage", "1.0", "--trainer.enable_progress_bar", "false"]
    for more in (["fit", "--trainer.max_steps", "1", "--trainer.val_check_interval", "1"],
                 ["validate", "--ckpt_path", str(tmp_path / "last.ckpt")]):  # fmt: skip
        assert main([more[0], *common, *more[1:]]) == 0
        lines = [line for line in capsys.readouterr().err.splitlines() if "of 16 codes are in use" in line]
        assert len(lines) == 1 and "dead_below" in lines[0]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"random_share": 0.0}, r"random_share must be in \(0, 1\]"),
        ({"low_usage": 2.0}, r"low_usage must be in \[0, 1"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Health(Layout((4, 4), 16), **kwargs)


def test_perceptual_distance_is_reported_under_its_name():
    class _Mean(FeatureDistance):
        """The mean difference."""

        def __init__(self):
            self.network, self.name = nn.Linear(1, 1), "mean"

        def distance(self, a, b):
            return (a - b).abs().mean()

    scores = examined(pictures(), perceptual=_Mean()).compute()
    assert scores["mean"] == 0
    assert FeatureDistance().name == "feature distance(efficientnet-lite0)"


def test_deep_stages_alone_do_not_see_details():
    smooth = nn.functional.interpolate(to_unit(pictures(2)).expand(-1, 3, -1, -1), (64, 64), mode="bilinear")
    noisy = smooth + 0.05 * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0))
    shallow, deep, both = (FeatureDistance(stages=stages)(smooth, noisy) for stages in ([0], [-1], [0, 4]))
    torch.testing.assert_close(both, (shallow + deep) / 2)
    torch.testing.assert_close(FeatureDistance(stages=[4])(smooth, noisy), deep)
    with pytest.raises(ValueError, match="stages must be numbers from -5 to 4"):
        FeatureDistance(stages=[5])


@pytest.mark.parametrize("net", TRUNKS)
def test_lpips_with_its_trunk_from_a_file_is_that_of_torchmetrics(net, tmp_path, monkeypatch):
    name, path = TRUNKS[net][0], tmp_path / "trunk.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        trained = getattr(models, name)().eval()
    monkeypatch.setattr(models, name, lambda **_: trained)
    torch.save({key: value for key, value in trained.state_dict().items() if key.startswith("features.")}, path)
    distance = LPIPS(net, str(path))
    assert distance.name == f"LPIPS({net}):trunk"
    x, y = torch.rand(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert distance(x, x) == 0 and distance(x, y) > 0
    torch.testing.assert_close(distance(x, y), LearnedPerceptualImagePatchSimilarity(net)(x, y))
    assert not any(parameter.requires_grad for parameter in distance.network.parameters())


def test_a_trunk_that_does_not_fit_is_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "trunk.pth")
    with pytest.raises(ValueError, match=r"does not fit the trunk of LPIPS: it has no features\.0\.weight"):
        LPIPS("squeeze", str(tmp_path / "trunk.pth"))
