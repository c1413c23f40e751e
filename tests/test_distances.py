"""Set distances: closed forms, brute force, torch-fidelity on the same features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric
from torch_fidelity.metric_prc import KEY_METRIC_PRECISION, KEY_METRIC_RECALL, prc_features_to_metric

from lightgen.functional import distances
from lightgen.functional.distances import frechet_distance, kernel_distance, manifold_scores


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


@pytest.mark.parametrize(("n", "m", "d"), [(6, 9, 40), (40, 9, 12), (30, 50, 12)])
def test_frechet_distance_against_the_roots_of_symmetric_covariances(n: int, m: int, d: int) -> None:
    x, y = normal(n, d, 1), normal(m, d, 2) * 1.5 + 0.3
    values, vectors = torch.linalg.eigh(x.T.cov())
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    trace = torch.linalg.eigvalsh(root @ y.T.cov() @ root).clamp_min(0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + x.var(0).sum() + y.var(0).sum() - 2 * trace
    # The square roots of rounding errors in the many zero eigenvalues limit the reference, not the function.
    assert torch.isclose(frechet_distance(x, y), expected, rtol=1e-6)


@pytest.mark.parametrize("n", [5, 300])
def test_frechet_distance_of_a_set_to_itself_is_zero(n: int) -> None:
    x = normal(n, 64).float() * 10
    assert frechet_distance(x, x).abs() < 1e-9


def test_kernel_distance_against_the_double_sum() -> None:
    x, y = normal(7, 5, 1), normal(9, 5, 2) + 0.5

    def k(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / 5 + 1) ** 3

    within_x = sum(k(x[i], x[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    within_y = sum(k(y[i], y[j]) for i in range(9) for j in range(9) if i != j) / (9 * 8)
    across = sum(k(a, b) for a in x for b in y) / (7 * 9)
    assert float(kernel_distance(x, y).value) == pytest.approx(within_x + within_y - 2 * across, rel=1e-12)


def test_kernel_distance_is_unbiased() -> None:
    values = torch.stack([kernel_distance(normal(10, 4, 2 * i), normal(10, 4, 2 * i + 1)).value for i in range(400)])
    assert values.mean().abs() < 3 * values.std() / 20
    assert values.min() < 0 < values.max()


def test_standard_error_is_the_spread_over_samples() -> None:
    found = [kernel_distance(normal(60, 4, 2 * i), normal(90, 4, 2 * i + 1) + 1) for i in range(300)]
    spread = torch.stack([f.value for f in found]).std()
    assert torch.isclose(torch.stack([f.standard_error for f in found]).mean(), spread, rtol=0.15)


def brute_force(real: Tensor, fake: Tensor, k: int) -> list[float]:
    """Precision, recall, density, coverage from loops over pairs, without care for speed."""
    n, m = len(real), len(fake)
    r = [sorted(float((a - b).norm()) for j, b in enumerate(real) if j != i)[k - 1] for i, a in enumerate(real)]
    f = [sorted(float((a - b).norm()) for j, b in enumerate(fake) if j != i)[k - 1] for i, a in enumerate(fake)]
    d = [[float((a - b).norm()) for b in fake] for a in real]
    return [
        sum(any(d[i][j] <= r[i] for i in range(n)) for j in range(m)) / m,
        sum(any(d[i][j] <= f[j] for j in range(m)) for i in range(n)) / n,
        sum(d[i][j] <= r[i] for i in range(n) for j in range(m)) / (k * m),
        sum(min(d[i]) <= r[i] for i in range(n)) / n,
    ]


def scores(real: Tensor, fake: Tensor, k: int = 3) -> list[float]:
    s = manifold_scores(real, fake, k)
    return [float(value) for value in (s.precision, s.recall, s.density, s.coverage)]


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_manifold_scores_against_brute_force(monkeypatch: pytest.MonkeyPatch, k: int, offset: float) -> None:
    # Several chunks, the last one short; far from the origin, float32 products lose most digits.
    monkeypatch.setattr(distances, "CHUNK", 16)
    real, fake = normal(50, 6, 1) + offset, normal(40, 6, 2) * 1.1 + 0.4 + offset
    expected = brute_force(real, fake, k)
    assert all(value > 0 for value in expected) and expected[0] < 1
    assert scores(real, fake, k) == pytest.approx(expected, rel=1e-12)


def test_manifold_scores_of_a_set_with_itself() -> None:
    x = normal(300, 1280).float() + 3
    # Closed balls hold their centre, and k neighbours, one of them on the edge.
    assert scores(x, x.clone()) == pytest.approx([1, 1, 4 / 3, 1])


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
    fid = fid_statistics_to_metric(*(fid_features_to_statistics(x) for x in (fake, real)), verbose=False)
    assert float(frechet_distance(real, fake)) == pytest.approx(fid[KEY_METRIC_FID], rel=1e-8)
    kid = kid_features_to_metric(fake, real, kid_subsets=1, kid_subset_size=200, verbose=False)
    assert float(kernel_distance(real, fake).value) == pytest.approx(kid[KEY_METRIC_KID_MEAN], rel=1e-8)
    prc = prc_features_to_metric(fake, real, prc_neighborhood=3, prc_batch_size=100, verbose=False)
    assert scores(real, fake)[:2] == pytest.approx([prc[KEY_METRIC_PRECISION], prc[KEY_METRIC_RECALL]], rel=1e-6)


def test_sets_that_have_no_distance() -> None:
    with pytest.raises(ValueError, match=r"one dimension, not 4 .real. and 5"):
        frechet_distance(normal(9, 4), normal(9, 5))
    with pytest.raises(ValueError, match=r"at least 4 pictures .* not 9 and 3"):
        manifold_scores(normal(9, 4), normal(3, 4), k=3)
    with pytest.raises(ValueError, match="at least 2 pictures"):
        kernel_distance(normal(1, 4), normal(9, 4))
    with pytest.raises(ValueError, match="k must be at least 1, not 0"):
        manifold_scores(normal(9, 4), normal(9, 4), k=0)
