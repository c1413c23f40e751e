"""Set distances: closed forms, brute force, torch-fidelity on the same features."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_isc import KEY_METRIC_ISC_MEAN, isc_features_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from lightgen.functional.distances import (
    Ball,
    frechet_distance,
    frechet_distance_of_statistics,
    inception_score,
    kernel_distance,
    manifold_scores,
    novelty_scores,
    pairs,
    statistics,
)

FEW = pytest.mark.filterwarnings("ignore:a Frechet distance from")


@pytest.fixture
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several tiles, the last one short, for small sets."""
    monkeypatch.setattr(pairs, "TILE", 16)


def normal(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_moments(n: int, mean: Tensor, deviation: Tensor, seed: int) -> Tensor:
    """Vectors whose sample mean and sample covariance are exactly `mean` and diag(deviation^2)."""
    x = normal(n, len(mean), seed)
    orthonormal = torch.linalg.qr(x - x.mean(0)).Q
    return orthonormal * (n - 1) ** 0.5 * deviation + mean


def test_frechet_distance_of_diagonal_gaussians() -> None:
    m1, m2 = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([0.5, 1.0, -1.0]).double()
    s1, s2 = torch.tensor([1.0, 2.0, 0.1]).double(), torch.tensor([3.0, 2.0, 0.4]).double()
    expected = (m1 - m2).square().sum() + (s1 - s2).square().sum()
    got = frechet_distance(with_moments(50, m1, s1, seed=1), with_moments(80, m2, s2, seed=2))
    assert torch.isclose(got, expected, rtol=1e-12)


@FEW
@pytest.mark.parametrize(("n", "m", "d"), [(6, 9, 40), (40, 9, 12), (30, 50, 12)])
def test_frechet_distance_against_the_roots_of_symmetric_covariances(n: int, m: int, d: int) -> None:
    x, y = normal(n, d, 1), normal(m, d, 2) * 1.5 + 0.3
    values, vectors = torch.linalg.eigh(x.T.cov())
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    trace = torch.linalg.eigvalsh(root @ y.T.cov() @ root).clamp_min(0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + x.var(0).sum() + y.var(0).sum() - 2 * trace
    # The square roots of rounding errors in the many zero eigenvalues limit the reference, not the function.
    assert torch.isclose(frechet_distance(x, y), expected, rtol=1e-6)
    assert torch.isclose(frechet_distance_of_statistics(statistics(x), statistics(y)), expected, rtol=1e-6)


@FEW
@pytest.mark.parametrize("n", [5, 300])
def test_frechet_distance_of_a_set_to_itself_is_zero(n: int) -> None:
    x = normal(n, 64).float() * 10
    assert frechet_distance(x, x).abs() < 1e-9
    assert frechet_distance_of_statistics(statistics(x), statistics(x)).abs() < 1e-3


def test_singular_values_are_exact_where_covariances_are_not() -> None:
    """Below d vectors, with a distance that is known: the same vectors moved along a direction they do not have."""
    x = torch.cat([normal(40, 200), torch.zeros(40, 1)], 1) * 1000
    moved = x.clone()
    moved[:, -1] = 0.5
    with pytest.warns(UserWarning, match="from 40 pictures in 201 dimensions"):
        assert float(frechet_distance(x, moved)) == pytest.approx(0.25, abs=1e-7)
    with pytest.warns(UserWarning, match="from 40 pictures in 201 dimensions"):
        error = frechet_distance_of_statistics(statistics(x), statistics(moved)) - 0.25
    assert 1e-3 < error.abs() < 10


def test_enough_pictures_are_not_warned_about(recwarn: pytest.WarningsRecorder) -> None:
    frechet_distance(normal(9, 9), normal(9, 9))
    assert not recwarn


def test_statistics_against_torch() -> None:
    x = normal(30, 5).float() + 7
    found = statistics(x)
    assert torch.allclose(found.covariance, x.double().T.cov(), rtol=1e-10)
    assert torch.allclose(found.mean, x.double().mean(0)) and found.num == 30


@pytest.mark.usefixtures("small_tiles")
def test_kernel_distance_against_the_double_sum() -> None:
    n, m = 17, 35
    x, y = normal(n, 5, 1), normal(m, 5, 2) + 0.5

    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / 5 + 1) ** 3

    within_x = sum(k(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    within_y = sum(k(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    across = sum(k(a, b) for a in x for b in y) / (n * m)
    assert float(kernel_distance(x, y).value) == pytest.approx(within_x + within_y - 2 * across, rel=1e-12)


def test_kernel_distance_is_unbiased() -> None:
    values = torch.stack([kernel_distance(normal(10, 4, 2 * i), normal(10, 4, 2 * i + 1)).value for i in range(400)])
    assert values.mean().abs() < 3 * values.std() / 20
    assert values.min() < 0 < values.max()


def test_standard_error_is_the_spread_over_samples() -> None:
    found = [kernel_distance(normal(60, 4, 2 * i), normal(90, 4, 2 * i + 1) + 1) for i in range(300)]
    spread = torch.stack([f.value for f in found]).std()
    assert torch.isclose(torch.stack([f.standard_error for f in found]).mean(), spread, rtol=0.15)


def brute_force(real: Tensor, fake: Tensor, k: int, ball: str = "closed") -> list[float]:
    """Precision, recall, density, coverage from loops over pairs, without care for speed."""
    n, m = len(real), len(fake)
    inside = {"closed": float.__le__, "open": float.__lt__}[ball]
    r = [sorted(float((a - b).norm()) for j, b in enumerate(real) if j != i)[k - 1] for i, a in enumerate(real)]
    f = [sorted(float((a - b).norm()) for j, b in enumerate(fake) if j != i)[k - 1] for i, a in enumerate(fake)]
    d = [[float((a - b).norm()) for b in fake] for a in real]
    return [
        sum(any(inside(d[i][j], r[i]) for i in range(n)) for j in range(m)) / m,
        sum(any(inside(d[i][j], f[j]) for j in range(m)) for i in range(n)) / n,
        sum(inside(d[i][j], r[i]) for i in range(n) for j in range(m)) / (k * m),
        sum(inside(min(d[i]), r[i]) for i in range(n)) / n,
    ]


def scores(real: Tensor, fake: Tensor, k: int = 3, ball: Ball = "closed") -> list[float]:
    s = manifold_scores(real, fake, k, ball)
    return [float(value) for value in (s.precision, s.recall, s.density, s.coverage)]


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("ball", ["closed", "open"])
@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_manifold_scores_against_brute_force(k: int, offset: float, ball: Ball) -> None:
    # Far from the origin, float32 products lose most digits.
    real, fake = normal(50, 6, 1) + offset, normal(40, 6, 2) * 1.1 + 0.4 + offset
    expected = brute_force(real, fake, k, ball)
    assert all(value > 0 for value in expected) and (expected[0] < 1 or k == 20)
    assert scores(real, fake, k, ball) == pytest.approx(expected, rel=1e-12)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("k", [1, 3])
def test_points_on_the_edge_of_a_ball(k: int) -> None:
    """On a lattice nearly all distances are tied, so that closed and open balls differ much."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randint(0, 5, (n, 3), generator=generator).double() for n in (45, 37))
    closed, opened = brute_force(real, fake, k), brute_force(real, fake, k, "open")
    assert closed[2] > 1.2 * opened[2]
    assert scores(real, fake, k) == pytest.approx(closed, rel=1e-12)
    assert scores(real, fake, k, "open") == pytest.approx(opened, rel=1e-12)


@pytest.mark.usefixtures("small_tiles")
@pytest.mark.parametrize("k", [1, 5, 49])
def test_radii_against_all_distances(k: int) -> None:
    x = normal(50, 6).float()
    expected = torch.cdist(x.double(), x.double()).square().fill_diagonal_(torch.inf).sort(1).values[:, k - 1]
    assert torch.allclose(pairs.squared_radius(x, k).double(), expected, rtol=1e-5)


def test_memory_does_not_grow_with_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "TILE", 128)
    real, fake = normal(1000, 4, 1).float(), normal(1000, 4, 2).float()
    for call in (manifold_scores, kernel_distance, lambda x, y: novelty_scores(x, y, y)):
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            call(real, fake)
        events = [e for e in profiler.profiler.kineto_results.events() if e.name() == "[memory]"]
        peak = max(accumulate(e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())))
        assert 0 < peak < 1000 * 1000 * 4 / 4


def test_manifold_scores_of_a_set_with_itself() -> None:
    x = normal(300, 1280).float() + 3
    # Closed balls hold their centre, and k neighbours, one of them on the edge.
    assert scores(x, x.clone()) == pytest.approx([1, 1, 4 / 3, 1])
    assert scores(x, x.clone(), ball="open") == pytest.approx([1, 1, 1, 1])
    assert frechet_distance(x[:, :100], x[:, :100]) < 1e-3


def test_far_away_scores_nothing() -> None:
    assert scores(normal(50, 8, 1), normal(50, 8, 2) + 100) == [0, 0, 0, 0]


def test_one_repeated_real_picture_is_precise_and_covers_little() -> None:
    real = normal(400, 8).float()
    precision, recall, density, coverage = scores(real, real[:1].expand(100, -1))
    inside = round(density * 3)
    assert precision == 1 and recall == 1 / 400
    assert coverage == inside / 400 < 10 / 400


@pytest.mark.parametrize("modes", [1, 2, 4])
def test_recall_and_coverage_are_the_share_of_modes(modes: int) -> None:
    # Modes, not just a smaller sample: a thinner sample has larger balls, so its recall need not fall.
    real = torch.cat([normal(30, 4, seed) + 100 * seed for seed in range(4)])
    assert scores(real, real[: 30 * modes])[:2] == [1, modes / 4]
    assert scores(real, real[: 30 * modes])[3] == modes / 4


def test_torch_fidelity_agrees() -> None:
    real, fake = normal(200, 32, 1), normal(200, 32, 2) * 1.1 + 0.2
    both = [fid_features_to_statistics(x) for x in (fake, real)]
    fid = fid_statistics_to_metric(*both, verbose=False)[KEY_METRIC_FID]
    assert float(frechet_distance(real, fake)) == pytest.approx(fid, rel=1e-8)
    of_statistics = frechet_distance_of_statistics(statistics(real), statistics(fake))
    assert float(of_statistics) == pytest.approx(fid, rel=1e-8)
    kid = kid_features_to_metric(fake, real, kid_subsets=1, kid_subset_size=200, verbose=False)
    assert float(kernel_distance(real, fake).value) == pytest.approx(kid[KEY_METRIC_KID_MEAN], rel=1e-8)
    prc = prc_features_to_metric(fake, real, prc_neighborhood=3, prc_batch_size=100, verbose=False)
    assert scores(real, fake)[:2] == pytest.approx([prc[KEY_METRIC_PRECISION], prc[KEY_METRIC_RECALL]], rel=1e-6)
    score = isc_features_to_metric(fake, splits=1)
    assert float(inception_score(fake.softmax(1))) == pytest.approx(score[KEY_METRIC_ISC_MEAN], rel=1e-8)


def test_inception_score_of_sure_and_of_unsure_classifiers() -> None:
    assert float(inception_score(torch.eye(5).repeat(3, 1))) == pytest.approx(5)
    assert float(inception_score(torch.full((4, 5), 0.2))) == pytest.approx(1)
    assert float(inception_score(torch.eye(5)[[2, 2, 2]])) == pytest.approx(1)


@pytest.mark.usefixtures("small_tiles")
def test_novelty_against_loops() -> None:
    train, held_out, fake = normal(40, 3, 1) + 100, normal(20, 3, 2) + 100, normal(33, 3, 3) * 1.2 + 100
    distance = [[float((a - b).norm()) for b in train] for a in fake]
    held = [min(float((a - b).norm()) for b in train) for a in held_out]
    novelty = sum(min(row) > h for row in distance for h in held) / (len(fake) * len(held))
    own = [min(float((a - b).norm()) for j, b in enumerate(train) if j != i) for i, a in enumerate(train)]
    authentic = sum(min(row) > own[row.index(min(row))] for row in distance) / len(fake)
    found = novelty_scores(train, held_out, fake)
    assert 0 < novelty < 1 and 0 < authentic < 1
    assert [float(found.novelty), float(found.authenticity)] == pytest.approx([novelty, authentic], rel=1e-12)


def test_novelty_tells_copies_new_pictures_and_noise_apart() -> None:
    # High dimensions and large norms, where rounding makes the distance of a copy anything but zero.
    train, held_out, new = (normal(300, 64, seed).float() + 5 for seed in (1, 2, 3))
    copies = novelty_scores(train, held_out, train[:100].repeat(2, 1))
    assert copies.novelty == 0 and copies.authenticity == 0
    assert float(novelty_scores(train, held_out, new).novelty) == pytest.approx(0.5, abs=0.08)
    half = novelty_scores(train, held_out, torch.cat([train[:150], new[:150]]))
    assert float(half.novelty) == pytest.approx(0.25, abs=0.05)
    far = novelty_scores(train, held_out, new + 100)
    assert far.novelty == 1 and far.authenticity == 1
    # Data that hold copies themselves: copying as often as they do is no fault.
    assert novelty_scores(train, train[:50], train[50:90]).novelty == 0.5


def test_sets_that_have_no_distance() -> None:
    with pytest.raises(ValueError, match=r"one dimension, not 4 .real. and 5"):
        frechet_distance(normal(9, 4), normal(9, 5))
    with pytest.raises(ValueError, match=r"one dimension, not 4 .real. and 5"):
        frechet_distance_of_statistics(statistics(normal(9, 4)), statistics(normal(9, 5)))
    with pytest.raises(ValueError, match=r"at least 4 pictures .* not 9 .real. and 3 .fake."):
        manifold_scores(normal(9, 4), normal(3, 4), k=3)
    with pytest.raises(ValueError, match="at least 2 pictures"):
        kernel_distance(normal(1, 4), normal(9, 4))
    with pytest.raises(ValueError, match="at least 2 pictures"):
        statistics(normal(1, 4))
    with pytest.raises(ValueError, match=r"at least 1 pictures .* 0 .held_out."):
        novelty_scores(normal(9, 4), normal(0, 4), normal(9, 4))
    with pytest.raises(ValueError, match="at least 2 pictures"):
        novelty_scores(normal(1, 4), normal(1, 4), normal(1, 4))
    with pytest.raises(ValueError, match="at least 1 picture is needed, not 0"):
        inception_score(normal(0, 4))
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        manifold_scores(normal(9, 4), normal(9, 4), k=0)
    with pytest.raises(ValueError, match="ball must be closed or open, not round"):
        manifold_scores(normal(9, 4), normal(9, 4), ball="round")  # type: ignore[arg-type]
