"""Estimators of bounds: closed forms, published data, coverage, and data on which they have no answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

import butfor as bf
from butfor.core.errors import (
    ButforError,
    ConstantColumn,
    EmptyArm,
    InvalidSetting,
    MethodMismatch,
    NumericalFailure,
)
from butfor.estimators.base import Reading
from butfor.estimators.bounds.instrument import InstrumentBounds, InstrumentFit
from butfor.estimators.bounds.interval import Noise, imbens_manski
from butfor.estimators.bounds.natural import NaturalBounds, NaturalFit
from butfor.identify.bounds import Counterfactual, graph_bounds
from butfor.identify.expression import Factor

Array = NDArray[Any]
Frame = dict[str, Array]
# P(x, y | z) of the Lipid Research Clinics trial, Balke and Pearl 1997, section 4.1: z, x, y.
LIPID = np.array([[[0.919, 0.081], [0.0, 0.0]], [[0.315, 0.073], [0.139, 0.473]]])
# An instrument that moves nothing: every sum of a kind ties with the others.
USELESS = np.array([[[0.2, 0.3], [0.3, 0.2]]] * 2)
ROLES = {"treatment": "x", "outcome": "y", "instrument": "z"}


def frame_of(counts: Array, names: str = "zxy") -> Frame:
    """One row per unit of a table of counts."""
    rows = [cell for cell in np.ndindex(*counts.shape) for _ in range(int(counts[cell]))]
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def drawn(rng: np.random.Generator, p: Array, n: int) -> Frame:
    """Rows of P(x, y | w, z), with levels of z alike and strata of w alike."""
    w, z = rng.integers(0, p.shape[0], n), rng.integers(0, p.shape[1], n)
    cells = p.reshape(*p.shape[:2], -1)[w, z]
    cell = np.minimum((rng.random(n)[:, None] > np.cumsum(cells, axis=1)).sum(axis=1), cells.shape[1] - 1)
    return {"w": w, "z": z, "x": cell // 2, "y": cell % 2}


def instrument(frame: Frame, covariates: tuple[str, ...] = (), **settings: Any) -> InstrumentFit:
    limits = {k: settings.pop(k) for k in ("least", "greatest", "most_strata") if k in settings}
    return InstrumentBounds(**limits).fit_instrument(frame, covariates=covariates, **ROLES, **settings)


def natural(frame: Frame, **settings: Any) -> NaturalFit:
    limits = {k: settings.pop(k) for k in ("least", "greatest") if k in settings}
    fit = NaturalBounds(**limits).fit(frame, treatment="x", outcome="y", **settings)
    assert isinstance(fit, NaturalFit)
    return fit


# --- natural bounds ----------------------------------------------------------------------------------------------


def test_natural_bounds_are_those_of_robins_and_manski() -> None:
    counts = np.array([[30, 20], [10, 40]])
    found = natural(frame_of(counts, "xy"))
    assert found.result.labels == ("x: 1 - 0, lower", "x: 1 - 0, upper")
    assert found.result.value == pytest.approx([-0.3, 0.7])
    assert found.means is not None
    assert found.means.labels == ("x = 0, lower", "x = 0, upper", "x = 1, lower", "x = 1, upper")
    assert found.means.value == pytest.approx([0.2, 0.7, 0.4, 0.9])


def test_errors_of_natural_bounds_are_those_of_the_share_that_they_are() -> None:
    """Both ends are P(x = y) less a constant: a binomial share."""
    found = natural(frame_of(np.array([[30, 20], [10, 40]]), "xy"))
    assert found.result.std_error == pytest.approx([np.sqrt(0.7 * 0.3 / 100)] * 2)
    # The width is 1, many standard errors: one-sided on both sides.
    half = stats.norm.ppf(0.95) * np.sqrt(0.7 * 0.3 / 100)
    assert found.interval()[0] == pytest.approx([-0.3 - half, 0.7 + half], abs=1e-6)


def test_limits_of_the_outcome_are_the_users() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, 200), rng.uniform(10, 30, 200)
    found = natural({"x": x, "y": y}, least=0.0, greatest=50.0)
    low = np.mean(np.where(x == 1, y, 0.0) - np.where(x == 0, y, 50.0))
    assert found.result.value == pytest.approx([low, low + 50.0])
    wide = natural({"x": x, "y": 10 * y - 3}, least=-3.0, greatest=497.0)
    assert wide.result.value == pytest.approx(10 * found.result.value)
    assert wide.interval() == pytest.approx(10 * found.interval())


def test_several_arms_subgroups_weights_and_clusters() -> None:
    rng = np.random.default_rng(1)
    n = 300
    frame = {"x": rng.integers(0, 3, n).astype(str), "y": rng.integers(0, 2, n), "g": rng.integers(0, 2, n)}
    found = natural(frame, modifiers=["g"])
    assert len(found.result.labels) == 2 * 2 * 3
    assert found.interval().shape == (6, 2)
    here = frame["g"] == 1
    x, y = frame["x"][here], frame["y"][here]
    last = np.mean(np.where(x == "2", y, 0) - np.where(x == "0", y, 1))
    assert found.result.value[-2] == pytest.approx(last)
    copies = rng.integers(1, 4, n)
    repeated = natural({k: np.repeat(v, copies) for k, v in frame.items()})
    assert natural(frame | {"w": copies}, weights="w").result.value == pytest.approx(repeated.result.value)
    twice = natural({k: np.repeat(v, 2) for k, v in frame.items()} | {"c": np.repeat(np.arange(n), 2)}, cluster="c")
    once = natural(frame)
    assert twice.interval() == pytest.approx(once.interval(), rel=0.01)


# --- instrument bounds -------------------------------------------------------------------------------------------


def test_the_lipid_trial_as_published() -> None:
    found = instrument(frame_of(np.rint(LIPID * 1000)))
    assert found.result.labels == ("x: 1 - 0, lower", "x: 1 - 0, upper")
    assert found.result.value == pytest.approx([0.392, 0.780], abs=1e-6)
    # Lower end: P(x=0, y=0 | z=0) + P(x=1, y=1 | z=1) − 1, two independent shares of 1000 rows each.
    error = np.sqrt((0.919 * 0.081 + 0.473 * 0.527) / 1000)
    assert found.result.std_error[0] == pytest.approx(error, rel=1e-6)
    # Another sum is almost as large, −2 + 2 P(0, 0 | 0) + P(1, 1 | 0) + P(y=1 | 1) = .384, so that the limit is that
    # of the larger of the two; the width is certain, so that it is one-sided.
    first, second, third = 0.919 * 0.081, 0.473 * 0.527, 0.546 * 0.454
    covariance = np.array([[first + second, 2 * first + 0.473 * 0.454], [0.0, 4 * first + third]]) / 1000
    both = stats.multivariate_normal(cov=covariance + np.triu(covariance, 1).T)
    half = optimize.brentq(lambda c: both.cdf([c, c]) - 0.95, 0.0, 0.2)
    assert found.interval()[0, 0] == pytest.approx(0.392 - half, abs=0.001)
    assert "With 95% confidence" in found.result.explain()


@pytest.mark.parametrize(("levels", "arms"), [(2, 2), (3, 2), (5, 2), (2, 3)])
def test_point_values_are_those_of_the_linear_program(levels: int, arms: int) -> None:
    rng = np.random.default_rng(levels + arms)
    answers = rng.integers(0, arms, (40, levels))
    outcomes = rng.integers(0, 2, (40, arms))
    counts = np.zeros((levels, arms, 2))
    for z in range(levels):
        np.add.at(counts, (z, answers[:, z], outcomes[np.arange(40), answers[:, z]]), 1)
    frame = frame_of(counts)
    found = instrument(frame, contrast=(1, 0), arms=True)
    graph = bf.CausalGraph.from_any("z -> x -> y; x <-> y")
    table = Factor.table(["z", "x", "y"], counts / counts.sum())
    if levels <= 3:
        exact = graph_bounds(graph, Counterfactual.effect("x", "y"), table)
        assert found.result.value == pytest.approx([exact.lower, exact.upper], abs=1e-7)
    effect = float(np.mean(outcomes[:, 1] - outcomes[:, 0]))
    low, high = found.result.value
    assert low - 1e-9 <= effect <= high + 1e-9


def test_strata_are_averaged_with_their_own_largest_sums() -> None:
    graph = bf.CausalGraph.from_any("z -> x -> y; x <-> y")
    counts = np.stack([np.rint(LIPID * 1000), np.rint(LIPID[:, :, ::-1] * 500), np.rint(USELESS * 300)])
    frame = frame_of(counts, "wzxy")
    low, high = 0.0, 0.0
    for stratum in counts:
        share = stratum.sum() / counts.sum()
        given_z = stratum / stratum.sum(axis=(1, 2), keepdims=True) / 2
        own = graph_bounds(graph, Counterfactual.effect("x", "y"), Factor.table(["z", "x", "y"], given_z))
        low, high = low + share * own.lower, high + share * own.upper
    found = instrument(frame, ("w",))
    assert found.result.value == pytest.approx([low, high], abs=1e-7)


def test_influence_functions_are_derivatives_by_weights() -> None:
    """The mean of φ over a row is the slope of the estimate in the weight of that row."""
    rng = np.random.default_rng(6)
    frame = drawn(rng, np.stack([LIPID, USELESS]) * 0.9 + 0.025, 160)
    weights = rng.uniform(0.5, 2.0, 160)
    found = instrument(frame | {"v": weights}, ("w",), reading=Reading(weights="v"))
    assert found.result.influence is not None
    for row in (0, 17, 101):
        step = np.zeros(160)
        step[row] = 1e-5
        up, down = (
            instrument(frame | {"v": weights + s * step}, ("w",), reading=Reading(weights="v")).result.value
            for s in (1, -1)
        )
        slope = (up - down) / 2e-5
        expected = found.result.influence[row] / weights[row] / 160
        assert slope == pytest.approx(expected, rel=1e-4, abs=1e-8)


def test_repeated_rows_clusters_and_row_order_change_nothing() -> None:
    rng = np.random.default_rng(7)
    frame = drawn(rng, np.stack([LIPID, USELESS]), 400)
    once = instrument(frame, ("w",))
    order = rng.permutation(400)
    again = instrument({k: v[order] for k, v in frame.items()}, ("w",))
    assert again.result.value == pytest.approx(once.result.value, abs=1e-12)
    assert again.interval() == pytest.approx(once.interval(), abs=1e-9)
    twice = {k: np.repeat(v, 2) for k, v in frame.items()} | {"c": np.repeat(np.arange(400), 2)}
    clustered = instrument(twice, ("w",), reading=Reading(cluster="c"))
    assert clustered.result.value == pytest.approx(once.result.value)
    # Twins carry no news; draws from another root of the same covariance differ by their own noise.
    assert clustered.interval() == pytest.approx(once.interval(), abs=0.01)
    later = replace(instrument(twice, ("w",)), result=clustered.result)
    assert later.interval() == pytest.approx(clustered.interval(), abs=0.01)


def test_relabelled_arms_and_outcomes_turn_the_bounds_around() -> None:
    frame = drawn(np.random.default_rng(8), LIPID[None], 500)
    low, high = instrument(frame).result.value
    assert instrument(frame | {"x": 1 - frame["x"]}).result.value == pytest.approx([-high, -low])
    assert instrument(frame | {"y": 1 - frame["y"]}).result.value == pytest.approx([-high, -low])
    assert instrument(frame | {"z": np.where(frame["z"] == 1, "a", "b")}).result.value == pytest.approx([low, high])
    scaled = instrument(frame | {"y": 5 * frame["y"] + 2})
    assert scaled.result.value == pytest.approx([5 * low, 5 * high])
    assert scaled.interval() == pytest.approx(5 * instrument(frame).interval())


def test_an_outcome_between_limits_counts_as_a_coin() -> None:
    """With outcomes 0 and 1 only, wider limits are those of the mean; bounds of a mean hold its effect."""
    rng = np.random.default_rng(9)
    n = 4000
    hidden, z = rng.random(n), rng.integers(0, 2, n)
    x = (hidden < 0.2 + 0.6 * z).astype(int)
    y = 10 * np.clip(0.3 * x + 0.5 * hidden + rng.uniform(0, 0.2, n), 0, 1)
    found = instrument({"z": z, "x": x, "y": y}, least=0.0, greatest=10.0)
    low, high = found.result.value
    assert low < 3.0 < high  # the effect is 0.3 on a scale of 10
    assert high - low < 10.0 * 0.5


# --- intervals ---------------------------------------------------------------------------------------------------


def test_imbens_and_manski_between_one_and_two_sided() -> None:
    for gap in (0.0, 0.3, 1.0, 4.0):
        low, high = imbens_manski((0.0, gap), (1.0, 1.0), 0.95)
        c = -low
        assert stats.norm.cdf(c + gap) - stats.norm.cdf(-c) == pytest.approx(0.95, abs=1e-9)
        assert high == pytest.approx(gap + c)
    assert imbens_manski((1.0, 2.0), (0.0, 0.0), 0.95) == (1.0, 2.0)


def test_draws_of_one_sum_a_side_give_the_same_interval() -> None:
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(200_000, 2))
    for gap in (0.0, 0.5, 6.0):
        # Independent ends: Φ(C)·Φ(C + gap) = .95.
        low, high = Noise(draws[:, 0], draws[:, 1], 0.0).interval((0.0, gap), 0.95)
        c = -low
        assert stats.norm.cdf(c) * stats.norm.cdf(c + gap) == pytest.approx(0.95, abs=0.003)
        assert high - gap == pytest.approx(c, abs=0.03)
    with pytest.raises(InvalidSetting, match="level is 1"):
        Noise(draws[:, 0], draws[:, 1], 0.0).interval((0.0, 1.0), 1.0)
    with pytest.raises(InvalidSetting, match=r"level is 1\.5"):
        imbens_manski((0.0, 1.0), (1.0, 1.0), 1.5)


def _coverage(fit: Callable[[Frame], Array], p: Array, truth: tuple[float, float], n: int, draws: int) -> Array:
    """How often the interval holds an effect at the lower and at the upper end."""
    held = np.zeros(2)
    for rng in np.random.default_rng(11).spawn(draws):
        low, high = fit(drawn(rng, p, n))
        held += [low <= truth[0] <= high, low <= truth[1] <= high]
    return held / draws


def _floor(draws: int) -> float:
    """Four Monte Carlo standard errors below 95 %."""
    return 0.95 - 4 * np.sqrt(0.95 * 0.05 / draws)


@pytest.mark.parametrize(
    ("p", "truth"),
    [
        (LIPID[None], (0.392, 0.780)),
        # All sums of two shares tie: −1 + .2 + .2 and .2 + .2.
        (USELESS[None], (-0.6, 0.4)),
        # Everybody complies: both ends are .7 − .4.
        (np.array([[[[0.6, 0.4], [0.0, 0.0]], [[0.0, 0.0], [0.3, 0.7]]]]), (0.3, 0.3)),
    ],
    ids=["lipid", "ties", "point"],
)
def test_the_interval_holds_effects_at_either_end(p: Array, truth: tuple[float, float]) -> None:
    held = _coverage(lambda f: instrument(f).interval()[0], p, truth, 400, 60)
    assert held.min() >= _floor(60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "covariates", "truth"),
    [
        (LIPID[None], (), (0.392, 0.780)),
        (USELESS[None], (), (-0.6, 0.4)),
        (np.repeat(USELESS[None], 3, axis=0), ("w",), (-0.6, 0.4)),
        (np.stack([LIPID, USELESS]), ("w",), ((0.392 - 0.6) / 2, (0.780 + 0.4) / 2)),
        (np.repeat(USELESS[None, :1], 4, axis=1), (), (-0.6, 0.4)),
    ],
    ids=["lipid", "ties", "ties in strata", "strata", "four levels"],
)
def test_coverage_at_either_end(p: Array, covariates: tuple[str, ...], truth: tuple[float, float]) -> None:
    held = _coverage(lambda f: instrument(f, covariates).interval()[0], p, truth, 600, 1000)
    assert held.min() >= _floor(1000)


@pytest.mark.slow
def test_coverage_of_natural_bounds() -> None:
    p = np.array([[[[0.3, 0.2], [0.1, 0.4]]]])
    held = _coverage(lambda f: natural(f).interval()[0], p, (-0.3, 0.7), 300, 2000)
    assert np.abs(held - 0.95).max() < 4 * np.sqrt(0.95 * 0.05 / 2000) + 0.01


# --- caveats and refusals ----------------------------------------------------------------------------------------


def test_data_that_contradict_the_instrument() -> None:
    # P(x=0, y=0 | z=0) + P(x=0, y=1 | z=1) = .9 + .9, at most 1 for an instrument.
    with pytest.raises(NumericalFailure, match=r"contradict the instrument 'z': .* violated by 0\.8"):
        instrument(frame_of(np.array([[[900, 50], [25, 25]], [[50, 900], [25, 25]]])))
    # Here .45 + .45: nothing is wrong.
    fine = instrument(frame_of(np.array([[[450, 50], [250, 250]], [[50, 450], [250, 250]]])))
    assert "instrumental-inequality" not in {d.name for d in fine.result.diagnostics}


def test_a_contradiction_within_chance_is_a_caution() -> None:
    found = instrument(frame_of(np.array([[[27, 23], [0, 1]], [[22, 28], [1, 0]]])))
    names = {d.name for d in found.result.diagnostics}
    assert "instrumental-inequality" in names
    assert "tied-bounds" in {d.name for d in instrument(frame_of(np.rint(USELESS * 100))).result.diagnostics}


N = 120
RNG = np.random.default_rng(3)
Z, X, Y = (RNG.integers(0, 2, N) for _ in range(3))
GOOD: Frame = {"z": Z, "x": X, "y": Y}


@pytest.mark.parametrize(
    ("columns", "settings", "error", "message"),
    [
        ({"y": RNG.normal(size=N)}, {}, MethodMismatch, "no limit"),
        ({"y": RNG.normal(size=N)}, {"least": 0.0}, MethodMismatch, "no limit"),
        ({"y": RNG.uniform(0, 9, N)}, {"least": 1.0, "greatest": 2.0}, InvalidSetting, "hold all of it"),
        ({}, {"least": 1.0, "greatest": 0.0}, InvalidSetting, "the least first"),
        ({}, {"least": 0.0, "greatest": np.inf}, InvalidSetting, "the least first"),
        ({"x": RNG.normal(size=N)}, {}, MethodMismatch, "an amount"),
        ({"y": np.ones(N)}, {}, ConstantColumn, "varies"),
    ],
)
def test_both_estimators_refuse_what_they_cannot_bound(
    columns: Frame, settings: dict[str, Any], error: type[ButforError], message: str
) -> None:
    with pytest.raises(error, match=message):
        natural(GOOD | columns, **settings)
    with pytest.raises(error, match=message):
        instrument(GOOD | columns, **settings)


@pytest.mark.parametrize(
    ("columns", "settings", "error", "message"),
    [
        ({"z": np.ones(N)}, {}, ConstantColumn, "one value"),
        ({"z": RNG.normal(size=N)}, {}, InvalidSetting, "120 levels"),
        ({"w": RNG.normal(size=N)}, {"covariates": ("w",)}, InvalidSetting, "120 combinations"),
        ({"w": Z}, {"covariates": ("w",)}, EmptyArm, "2 of 4 combinations"),
        ({}, {"most_strata": 0}, InvalidSetting, "most_strata is 0"),
    ],
)
def test_instruments_and_strata_that_cannot_be_used(
    columns: Frame, settings: dict[str, Any], error: type[ButforError], message: str
) -> None:
    with pytest.raises(error, match=message):
        instrument(GOOD | columns, **settings)


def test_other_estimands_and_strategies_are_refused() -> None:
    with pytest.raises(MethodMismatch, match="ATT"):
        natural(GOOD, estimand=bf.ATT())
    with pytest.raises(MethodMismatch, match="adjustment"):
        InstrumentBounds().fit(GOOD, treatment="x", outcome="y")
    found = instrument(GOOD | {"c": np.arange(N) // 3}, reading=Reading(cluster="c"))
    crossed = replace(found, result=replace(found.result, clusters=found.result.clusters * 2))
    with pytest.raises(MethodMismatch, match="two kinds of clusters"):
        crossed.interval()
