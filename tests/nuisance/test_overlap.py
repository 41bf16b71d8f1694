"""Balancing weights and overlap against closed forms."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

import butfor as bf
from butfor.core.diagnostic import Severity
from butfor.nuisance.overlap import Overlap, balancing_weights, effective_sample_size
from butfor.question.estimands import Estimand
from tests.nuisance.samples import sample_of, world

SAMPLE = world(500)
CHANCE = np.clip(0.5 + 0.2 * SAMPLE.covariates.matrix[:, 0], 0.05, 0.95)
PROPENSITY = np.column_stack([1 - CHANCE, CHANCE])
T = SAMPLE.treatment.codes


@pytest.mark.parametrize(
    ("estimand", "treated", "control"),
    [
        (bf.ATE(), 1 / CHANCE, 1 / (1 - CHANCE)),
        (bf.ATT(), np.ones(500), CHANCE / (1 - CHANCE)),
        (bf.ATC(), (1 - CHANCE) / CHANCE, np.ones(500)),
        (bf.ATO(), 1 - CHANCE, CHANCE),
    ],
    ids=lambda v: v.code if isinstance(v, Estimand) else "",
)
def test_weights_are_those_of_the_textbook(estimand: Estimand, treated: np.ndarray, control: np.ndarray) -> None:
    weights, alpha = balancing_weights(SAMPLE, PROPENSITY, estimand)
    assert_allclose(weights[:, 0], np.where(T == 1, treated, control), rtol=1e-12)
    tilt, _ = estimand.tilt(PROPENSITY, 1, 0)
    assert_allclose(alpha[:, 0], np.where(T == 1, treated, -control) / tilt.mean(), rtol=1e-12)


def test_sampling_weights_multiply() -> None:
    w = np.random.default_rng(0).uniform(0.5, 3.0, size=500)
    weighted = sample_of(SAMPLE.covariates.matrix, T.astype(float), SAMPLE.outcome, weights=w)
    plain, _ = balancing_weights(SAMPLE, PROPENSITY, bf.ATE())
    found, _ = balancing_weights(weighted, PROPENSITY, bf.ATE())
    assert_allclose(found[:, 0], plain[:, 0] * w / w.mean(), rtol=1e-12)


def test_other_arms_count_nothing() -> None:
    three = world(300, arms=3)
    thirds = np.full((300, 3), 1 / 3)
    weights, _ = balancing_weights(three, thirds, bf.ATE())
    codes = three.treatment.codes
    assert_allclose(weights, 3.0 * np.column_stack([codes != 2, codes != 1]), rtol=1e-12)


def test_effective_sample_size_is_kishs() -> None:
    assert_allclose(effective_sample_size(np.full(30, 7.0)), 30.0, rtol=1e-12)
    assert_allclose(effective_sample_size(np.array([3.0, 1.0])), 1.6, rtol=1e-12)
    assert effective_sample_size(np.zeros(3)) == 0.0


def test_good_overlap_is_silent() -> None:
    overlap = Overlap.of(SAMPLE, np.full((500, 2), 0.5), bf.ATE())
    assert overlap.diagnostics == ()
    rows = overlap.summary.to_dicts()
    assert [row["rows"] for row in rows] == [int((T == 1).sum()), int((T == 0).sum())]
    assert_allclose([float(row["effective_share"] or 0) for row in rows], 1.0, rtol=1e-12)


def test_weak_overlap_speaks_up_with_its_figure() -> None:
    chance = np.where(np.arange(500) < 150, 0.01, 0.5)
    overlap = Overlap.of(SAMPLE, np.column_stack([1 - chance, chance]), bf.ATE())
    weak = next(d for d in overlap.diagnostics if d.name == "weak-overlap")
    assert weak.severity is Severity.DANGER
    assert weak.value == pytest.approx(0.3)
    few = next(d for d in overlap.diagnostics if d.name == "low-effective-sample")
    weights, _ = balancing_weights(SAMPLE, np.column_stack([1 - chance, chance]), bf.ATE())
    assert few.value == pytest.approx(effective_sample_size(weights[T == 1, 0]) / (T == 1).sum())


def test_the_figure_is_self_contained_and_adds_up() -> None:
    figure = Overlap.of(SAMPLE, PROPENSITY, bf.ATE()).figure
    spec = figure.spec
    json.dumps(spec, allow_nan=False)
    assert set(spec["data"]) == {"values"}
    assert {"width", "height"} <= set(spec)
    shares = np.array([v["share"] for v in spec["data"]["values"]])
    assert_allclose(shares[shares > 0].sum(), 1.0, rtol=1e-12)
    assert_allclose(shares[shares < 0].sum(), -1.0, rtol=1e-12)
