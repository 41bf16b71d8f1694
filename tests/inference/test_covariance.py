"""The sandwich against statsmodels and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.errors import InvalidSetting, MethodMismatch
from butfor.data.sample import Cluster
from butfor.inference.covariance import intersect, two_way_covariance


def world(n: int = 300, seed: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(5, 2, n)
    dose = 0.5 * x + rng.normal(size=n)
    y = 2 * dose - x + rng.normal(size=n) * (1 + np.abs(dose))
    return {
        "dose": dose,
        "y": y,
        "x": x,
        "w": rng.uniform(0.5, 2, n),
        "g": rng.integers(0, 25, n),
        "h": rng.integers(0, 9, n),
    }


def oracle(frame: dict[str, np.ndarray], weights: np.ndarray | None = None) -> sm.regression.linear_model.WLS:
    design = sm.add_constant(np.column_stack([frame["dose"], frame["x"]]))
    return sm.WLS(frame["y"], design, weights=1.0 if weights is None else weights)


ROLES = {"treatment": "dose", "outcome": "y", "covariates": ["x"]}


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_robust_standard_errors_are_those_of_statsmodels(kind: str) -> None:
    frame = world()
    estimate = bf.OLS().fit(frame, **ROLES).estimate().with_inference(covariance=kind)
    expected = oracle(frame).fit(cov_type=kind, use_t=True)
    assert_allclose(estimate.value, expected.params[1], rtol=1e-10)
    assert_allclose(estimate.std_error, expected.bse[1], rtol=1e-10)
    assert_allclose(estimate.p_value, expected.pvalues[1], rtol=1e-8)
    assert_allclose(estimate.interval()[0], expected.conf_int()[1], rtol=1e-9)


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_weighted_regressions_too(kind: str) -> None:
    frame = world()
    estimate = bf.OLS().fit(frame, weights="w", **ROLES).estimate().with_inference(covariance=kind)
    expected = oracle(frame, frame["w"]).fit(cov_type=kind)
    assert_allclose(estimate.value, expected.params[1], rtol=1e-10)
    assert_allclose(estimate.std_error, expected.bse[1], rtol=1e-10)


def test_clustered_standard_errors_are_those_of_stata() -> None:
    """statsmodels' cluster covariance has Stata's factor G/(G − 1) · (n − 1)/(n − k)."""
    frame = world()
    estimate = bf.OLS().fit(frame, cluster="g", **ROLES).estimate()
    expected = oracle(frame).fit(cov_type="cluster", cov_kwds={"groups": frame["g"]}, use_t=True)
    assert_allclose(estimate.std_error, expected.bse[1], rtol=1e-10)
    assert estimate.degrees_of_freedom == 24
    assert_allclose(estimate.interval()[0], expected.conf_int()[1], rtol=1e-9)


def test_two_way_clusters_are_those_of_statsmodels() -> None:
    frame = world()
    plain = bf.OLS().fit(frame, cluster="g", **ROLES).estimate()
    expected = oracle(frame).fit(cov_type="cluster", cov_kwds={"groups": np.column_stack([frame["g"], frame["h"]])})
    first, second = (Cluster(k, frame[k].astype(np.int32), int(frame[k].max()) + 1) for k in ("g", "h"))
    assert intersect(first, second).count == len({*zip(frame["g"], frame["h"], strict=True)})
    found = two_way_covariance(plain.influence, first, second, plain.regression)
    assert_allclose(np.sqrt(found[0, 0]), expected.bse[1], rtol=1e-10)


def test_difference_in_means_has_neymans_variance_and_welchs_degrees_of_freedom() -> None:
    from scipy import stats

    rng = np.random.default_rng(0)
    a, b = rng.normal(1, 2, 40), rng.normal(0, 1, 70)
    frame = {"t": np.repeat([1, 0], [40, 70]), "y": np.concatenate([a, b])}
    estimate = bf.DifferenceInMeans().fit(frame, treatment="t", outcome="y").estimate()
    expected = stats.ttest_ind(a, b, equal_var=False)
    assert_allclose(estimate.value, a.mean() - b.mean(), rtol=1e-12)
    assert_allclose(estimate.std_error, np.sqrt(a.var(ddof=1) / 40 + b.var(ddof=1) / 70), rtol=1e-12)
    assert_allclose(estimate.degrees_of_freedom, expected.df, rtol=1e-12)
    assert_allclose(estimate.p_value, expected.pvalue, rtol=1e-10)


def test_bad_requests_are_refused() -> None:
    frame = world()
    estimate = bf.OLS().fit(frame, **ROLES).estimate()
    with pytest.raises(InvalidSetting, match="HC0, HC1, HC2, HC3"):
        estimate.with_inference(covariance="HC9")
    with pytest.raises(InvalidSetting, match="one label for each"):
        estimate.with_inference(cluster=np.arange(3))
    with pytest.raises(InvalidSetting, match="at least two"):
        _ = estimate.with_inference(cluster=np.zeros(300)).std_error
    weighted = bf.IPW().fit(frame | {"dose": (frame["dose"] > 2).astype(int)}, **ROLES).estimate()
    with pytest.raises(MethodMismatch, match="a regression with leverages"):
        _ = weighted.with_inference(covariance="HC2").std_error
