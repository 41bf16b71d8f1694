"""Laws that every estimator obeys on every kind of treatment and estimand that it answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import butfor as bf
from butfor.estimators.base import Fit
from tests.conformance.enrolled import ALL, Enrolled
from tests.conformance.worlds import COVARIATES, Frame, world

# Repeated floating-point sums in another order: relative error of the order of machine epsilon times the condition.
EXACT = {"rtol": 1e-8, "atol": 1e-9}


def _cases() -> Iterator[Any]:
    for enrolled in ALL:
        for kind in enrolled.treatments:
            for estimand in enrolled.estimands:
                yield pytest.param(enrolled, kind, estimand, id=f"{enrolled.id}-{kind}-{estimand.label}")


cases = pytest.mark.parametrize(("enrolled", "kind", "estimand"), list(_cases()))
binary_cases = pytest.mark.parametrize(
    ("enrolled", "kind", "estimand"), [c for c in _cases() if c.values[0].exact and c.values[1] == "binary"]
)
split_cases = pytest.mark.parametrize(("enrolled", "kind", "estimand"), [c for c in _cases() if c.values[0].subgroups])
influence_cases = pytest.mark.parametrize(
    ("enrolled", "kind", "estimand"), [c for c in _cases() if not c.values[0].resamples]
)
exact_cases = pytest.mark.parametrize(("enrolled", "kind", "estimand"), [c for c in _cases() if c.values[0].exact])

repeated_cases = pytest.mark.parametrize(
    ("enrolled", "kind", "estimand"), [c for c in _cases() if c.values[0].exact and not c.values[0].draws]
)


def fit(enrolled: Enrolled, frame: Frame, estimand: bf.Estimand, **settings: Any) -> Fit:
    return enrolled.estimator.fit(
        frame, treatment="treatment", outcome="outcome", covariates=COVARIATES, estimand=estimand, rng=3, **settings
    )


def reordered(frame: Frame) -> tuple[Frame, np.ndarray]:
    order = np.random.default_rng(1).permutation(len(frame["outcome"]))
    return {name: column[order] for name, column in frame.items()}, order


@exact_cases
def test_row_order_does_not_matter(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    shuffled, order = reordered(frame)
    one, two = fit(enrolled, frame, estimand).estimate(), fit(enrolled, shuffled, estimand).estimate()
    assert_allclose(two.value, one.value, **EXACT)
    assert_allclose(two.std_error, one.std_error, **EXACT)
    if not enrolled.resamples:
        assert_allclose(two.influence, one.influence[order], rtol=1e-6, atol=1e-6)


@exact_cases
def test_units_of_measurement_scale_through(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    scaled = frame | {"outcome": 1000 * frame["outcome"] - 7, "age": frame["age"] * 12, "income": frame["income"] / 90}
    one, two = fit(enrolled, frame, estimand).estimate(), fit(enrolled, scaled, estimand).estimate()
    assert_allclose(two.value, 1000 * one.value, **EXACT)
    assert_allclose(two.std_error, 1000 * one.std_error, **EXACT)


@binary_cases
def test_swapping_the_labels_turns_the_sign(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    swapped = frame | {"treatment": 1 - frame["treatment"]}
    mirrored = {"ATT": bf.ATC(), "ATC": bf.ATT()}.get(estimand.code, estimand)
    one, two = fit(enrolled, frame, estimand).estimate(), fit(enrolled, swapped, mirrored).estimate()
    order = list(enrolled.mirrored) or slice(None)
    assert_allclose(two.value[order], -one.value, **EXACT)
    assert_allclose(two.std_error[order], one.std_error, **EXACT)


@repeated_cases
def test_integer_weights_are_repeated_rows(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    copies = frame["copies"].astype(int)
    source = np.repeat(np.arange(len(copies)), copies)
    repeated = {name: column[source] for name, column in frame.items()}
    weighted = fit(enrolled, frame, estimand, weights="copies").estimate()
    plain = fit(enrolled, repeated, estimand).estimate()
    assert_allclose(weighted.value, plain.value, **EXACT)
    # One weighted row counts like all its copies together: Σ_copies φ / N = φ_weighted / n.
    together = np.column_stack([np.bincount(source, weights=column) for column in plain.influence.T]) / plain.n
    assert_allclose(weighted.influence / weighted.n, together, rtol=1e-6, atol=1e-8)


@cases
def test_the_same_seed_gives_the_same_bits(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    one, two = fit(enrolled, frame, estimand).estimate(), fit(enrolled, frame, estimand).estimate()
    assert_array_equal(one.value, two.value)
    assert_array_equal(one.influence, two.influence)


@influence_cases
def test_the_influence_function_averages_to_zero(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    estimate = fit(enrolled, world(kind), estimand).estimate()
    assert_allclose(estimate.influence.mean(axis=0), 0.0, atol=1e-8 * np.abs(estimate.influence).max())


@split_cases
def test_subgroups_add_terms_and_leave_the_overall_effect(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    alone = fit(enrolled, frame, estimand).estimate()
    split = fit(enrolled, frame, estimand, modifiers=["sex"]).estimate()
    terms = len(alone.labels)
    assert split.labels[:terms] == alone.labels
    assert {label.split(" | ")[1] for label in split.labels[terms:]} == {"sex = f", "sex = m"}
    assert_array_equal(split.value[:terms], alone.value)
    assert_allclose(split.std_error[:terms], alone.std_error, rtol=1e-12)


@influence_cases
def test_clusters_change_the_uncertainty_only(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    estimate = fit(enrolled, frame, estimand, cluster="household").estimate()
    given = estimate.with_inference(cluster=frame["household"])
    assert_allclose(given.std_error, estimate.std_error, rtol=1e-12)
    independent = estimate.with_inference(covariance="HC0")
    assert_array_equal(independent.value, estimate.value)
    assert not np.allclose(independent.std_error, estimate.std_error, rtol=1e-6)


@cases
def test_results_survive_json(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    estimate = fit(enrolled, world(kind), estimand).estimate()
    back = bf.from_json(estimate.to_json())
    assert back.labels == estimate.labels
    assert back.estimand == estimate.estimand
    assert back.diagnostics == estimate.diagnostics
    assert_array_equal(back.value, estimate.value)
    assert_allclose(back.interval(), estimate.interval(), rtol=1e-12)


@cases
def test_the_callers_data_are_never_touched(enrolled: Enrolled, kind: str, estimand: bf.Estimand) -> None:
    frame = world(kind)
    before = {name: column.copy() for name, column in frame.items()}
    fit(enrolled, frame, estimand)
    for name, column in before.items():
        assert_array_equal(frame[name], column)
