"""Named protocols, and files of reference statistics that belong to one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from lightgen.functional.distances import Statistics
from lightgen.metrics.features import FeatureNetwork
from lightgen.metrics.frechet import FeatureStatistics, FrechetDistance
from lightgen.metrics.generation import GenerationScores
from lightgen.metrics.kernel import KID
from lightgen.metrics.protocols import ADM, Clean, Custom, EvaluationProtocol, Offline, TorchFidelity
from lightgen.metrics.reference import KEY, load_statistics, save_statistics
from lightgen.registry import build, components, describe

INCEPTION = (TorchFidelity, ADM, Clean)


class _Means(FeatureNetwork):
    """The mean of each channel."""

    name, dim, resize = "means", 3, "none"

    def __init__(self) -> None:
        self.network = nn.Identity()

    def features(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3))


def pictures(n: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (n, 3, 4, 4), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


@pytest.fixture
def any_inception(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocols' Inception without its weights, which the tests below never look through."""
    monkeypatch.setattr("lightgen.metrics.inception.load", lambda weights: nn.Identity())


def test_every_protocol_is_listed_by_name() -> None:
    assert [p.__name__ for p in components("protocol")] == ["ADM", "Clean", "Custom", "Offline", "TorchFidelity"]
    assert {p.name for p in INCEPTION} == {"torch-fidelity", "adm", "clean"} and Offline.name == "offline"


@pytest.mark.parametrize("protocol", INCEPTION)
def test_missing_inception_weights_are_one_line(protocol: type[EvaluationProtocol], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the FID Inception is missing: put torch-fidelity") as error:
        protocol(weights=str(tmp_path / "x.pth"))  # type: ignore[call-arg]
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("any_inception")
def test_what_the_protocols_fix() -> None:
    records = {p.name: p().record(real=0, fake=0) for p in (*INCEPTION, Offline)}
    assert {r["split"] for r in records.values()} == {"train", "val"} and records["offline"]["split"] == "val"
    assert [n for n, r in records.items() if "bilinear" in r["resize"]] == ["torch-fidelity", "adm"]
    assert [n for n, r in records.items() if "bicubic, antialiased" in r["resize"]] == ["clean", "offline"]
    for record in records.values():
        assert (record["k"], record["ball"], record["quantisation"]) == (3, "closed", "rounded to nearest uint8, once")
        json.dumps(record)


@pytest.mark.usefixtures("any_inception")
def test_other_numbers_of_pictures_are_refused() -> None:
    for protocol in (TorchFidelity(), Clean()):
        protocol.check(70_000, 50_000)
        with pytest.raises(ValueError, match=f"protocol {protocol.name} wants 50000 generated pictures, not 96"):
            protocol.check(70_000, 96)
    ADM().check(10_000, 50_000)
    ADM().check(None, 50_000)
    with pytest.raises(ValueError, match="protocol adm wants 10000 reference pictures, not 50000"):
        ADM().check(50_000, 50_000)
    Offline().check(345, 345)
    with pytest.raises(ValueError, match="protocol offline wants as many generated as reference pictures, not 96 and"):
        Offline().check(345, 96)


def test_metrics_obey_their_protocol() -> None:
    scores = KID(Offline())
    scores.update(pictures(5), real=True)
    scores.update(pictures(4), real=False)
    with pytest.raises(ValueError, match="not 4 and 5"):
        scores.compute()
    scores.update(pictures(1), real=False)
    assert next(iter(scores.compute())) == "KID(efficientnet-lite0)"
    assert scores.protocol()["protocol"] == "offline"


@pytest.mark.usefixtures("any_inception")
def test_adm_compares_with_statistics_of_the_whole_split(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="protocol adm wants saved statistics of the whole train split"):
        GenerationScores(ADM())
    monkeypatch.setattr(ADM, "num_fake", 6)
    monkeypatch.setattr(ADM, "num_real", 5)
    protocol = ADM()
    protocol.features = _Means()
    seen = FeatureStatistics(protocol)
    seen.update(pictures(50, 1))
    alone, scores = FrechetDistance(protocol, seen.compute()), GenerationScores(protocol, seen.compute())
    alone.update(pictures(6, 2), real=False)
    scores.update(pictures(6, 2), real=False)
    scores.update(pictures(5, 3), real=True)
    assert torch.isclose(scores.compute()["FD(means)"], alone.compute()["FD(means)"])
    assert scores.protocol()["frechet_reference"] == "statistics of the whole split"


def test_custom_protocols() -> None:
    rebuilt = build(describe(Custom(Offline().features, k=5, ball="open")), "protocol")
    assert (rebuilt.k, rebuilt.ball, rebuilt.features.name) == (5, "open", "efficientnet-lite0")
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        Custom(_Means(), k=0)
    with pytest.raises(ValueError, match="ball must be closed or open, not half"):
        Custom(_Means(), ball="half")  # type: ignore[arg-type]


def saved(path: Path) -> Statistics:
    """Statistics of some pictures, also written to a file."""
    seen = FeatureStatistics(_Means())
    seen.update(pictures(20))
    save_statistics(seen.compute(), path, Custom(_Means()), "abc/train")
    return seen.compute()


def test_statistics_come_back_from_their_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "reference.safetensors"
    expected = saved(path)
    found = load_statistics(path, Custom(_Means()), "abc/train")
    assert torch.equal(found.mean, expected.mean) and torch.equal(found.covariance, expected.covariance)
    assert found.num == expected.num == 20
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_statistics_of_something_else_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "reference.safetensors"
    saved(path)
    other, resized = _Means(), _Means()
    other.name, resized.resize = "others", "bicubic"
    for rules, data, message in (
        (Custom(_Means()), "abc/val", r"reference.safetensors holds statistics of data abc/train, not abc/val"),
        (Offline(), "abc/train", "holds statistics of protocol custom, not offline"),
        (Custom(other), "abc/train", "holds statistics of features means, not others"),
        (Custom(resized), "abc/train", "holds statistics of resize none, not bicubic"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            load_statistics(path, rules, data)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["nothing", "junk", "other"])
def test_files_that_hold_no_statistics(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.safetensors"
    if content == "junk":
        path.write_bytes(b"hello")
    elif content == "other":
        save_file({"mean": torch.zeros(3)}, path, {KEY: "{}"})
    with pytest.raises(ValueError, match=r"x\.safetensors") as error:
        load_statistics(path, Custom(_Means()), "abc/train")
    assert "\n" not in str(error.value)


def test_an_unfinished_file_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "reference.safetensors"
    saved(path)
    before = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("lightgen.metrics.reference.save", fail)
    with pytest.raises(OSError, match="disk full"):
        saved(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
