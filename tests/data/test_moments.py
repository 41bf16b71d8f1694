"""Moments agree with NumPy on whole columns, keep their digits, and merge exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from butfor.core.errors import InfiniteValues, InvalidSetting, NonNumeric, UnknownColumn
from butfor.data.dataset import open_dataset
from butfor.data.moments import Measure, MomentRequest, Term


def frame(n: int = 4000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    value = 1e9 + rng.normal(size=n)
    value[rng.random(n) < 0.5] = np.nan
    return {
        "arm": rng.integers(0, 2, n),
        "stratum": rng.choice(["a", "b"], n),
        "value": value,
        "cost": rng.exponential(size=n),
        "person": rng.integers(0, 300, n),
    }


VALUE, COST = Measure.of("value"), Measure.of("cost")


def test_means_and_variances_are_those_of_the_present_values() -> None:
    data = frame()
    found = open_dataset(data).moments(MomentRequest((VALUE, COST), ("arm",)))
    for j, (arm,) in enumerate(found.groups):
        here = data["value"][data["arm"] == arm]
        present = here[~np.isnan(here)]
        share = found.mean[j, found.presence(VALUE)]
        mean = found.mean[j, found.at(VALUE)] / share
        assert found.request.centre["value"] + mean == pytest.approx(present.mean(), abs=1e-6)
        residual = np.zeros(3 + 2)
        residual[[found.at(VALUE), found.presence(VALUE)]] = 1.0, -mean
        assert residual @ found.comoment[j] @ residual == pytest.approx(present.var() * len(present), rel=1e-6)
        assert found.missing(VALUE)[j] == np.isnan(here).sum()


def test_coarser_groups_are_pooled_and_batches_add_up() -> None:
    data = frame()
    request = MomentRequest((VALUE, COST), ("arm", "stratum"))
    fine = open_dataset(data).moments(request)
    direct = open_dataset(data).moments(replace(request, by=("arm",)))
    np.testing.assert_allclose(fine.pool(["arm"]).comoment, direct.comoment, atol=1e-9)
    late = {name: values[1000:] for name, values in data.items()}
    early = {name: values[:1000] for name, values in data.items()}
    same = replace(request, centre=fine.request.centre)
    total = open_dataset(early).moments(same) + open_dataset(late).moments(same)
    assert total.groups == fine.groups
    np.testing.assert_allclose(total.comoment, fine.comoment, atol=1e-9)


def test_units_are_sums_of_their_rows() -> None:
    data = frame()
    found = open_dataset(data).moments(MomentRequest((COST,), ("arm",), unit="person", centre={"cost": 0.0}))
    for j, (arm,) in enumerate(found.groups):
        here = data["arm"] == arm
        totals = np.bincount(data["person"][here], weights=data["cost"][here], minlength=300)
        sizes = np.bincount(data["person"][here], minlength=300)
        both = np.vstack([totals[sizes > 0], sizes[sizes > 0]])
        places = [found.at(COST), found.presence(())]
        assert found.units[j] == (sizes > 0).sum()
        np.testing.assert_allclose(found.mean[j, places], both.mean(axis=1))
        np.testing.assert_allclose(found.comoment[j][np.ix_(places, places)], np.cov(both, bias=True) * found.units[j])


def test_terms_cap_count_and_multiply() -> None:
    data = {"x": [1.0, 5.0, 9.0], "g": ["u", "v", "u"]}
    capped = Measure((Term(column="x", ceiling=6.0),))
    below = Measure((Term(column="x", at_most=5.0),))
    product = Measure((Term(column="x"), Term(column="g", equals="u")))
    found = open_dataset(data).moments(MomentRequest((capped, below, product), centre={"x": 0.0}))
    np.testing.assert_allclose(found.mean[0, :3], [4.0, 2 / 3, 10 / 3])


def test_a_missing_level_is_a_group_of_its_own() -> None:
    found = open_dataset({"arm": ["b", None, "a"], "x": [1.0, 2.0, 3.0]}).moments(
        MomentRequest((Measure.of("x"),), ("arm",))
    )
    assert found.groups == (("a",), ("b",), (None,))


def test_what_is_no_finite_number_is_refused() -> None:
    data = open_dataset({"t": ["a", "b"], "x": [1.0, np.inf]})
    with pytest.raises(NonNumeric, match="holds text"):
        data.moments(MomentRequest((Measure.of("t"),)))
    with pytest.raises(InfiniteValues, match="1 infinite"):
        data.moments(MomentRequest((Measure.of("x"),)))
    with pytest.raises(UnknownColumn, match="'z'"):
        data.moments(MomentRequest((Measure.of("z"),)))


def test_requests_of_other_groups_do_not_merge() -> None:
    one = MomentRequest((VALUE,), ("arm",))
    assert (one | MomentRequest((COST, VALUE), ("arm",))).measures == (VALUE, COST)
    with pytest.raises(InvalidSetting, match="the same groups"):
        _ = one | MomentRequest((COST,))
