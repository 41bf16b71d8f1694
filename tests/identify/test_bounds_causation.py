"""Probabilities of causation: published examples, and linear programs over kinds of units."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import butfor as bf
from butfor.core.errors import InvalidSetting, NumericalFailure
from butfor.core.serial import from_json, to_json
from butfor.identify.bounds import Counterfactual, Event, graph_bounds, probabilities_of_causation
from butfor.identify.expression import Factor

BOW = bf.CausalGraph.from_any("x -> y; x <-> y")
NONE0, CASE0, NONE1, CASE1 = (Event("y", level, (("x", arm),)) for arm in (0, 1) for level in (0, 1))
PNS = Counterfactual.probability(CASE1, NONE0)
HARM = Counterfactual.probability(NONE1, CASE0)
# Numerators of PN and PS; their denominators are P(x=1, y=1) and P(x=0, y=0).
NECESSARY = Counterfactual.probability(NONE0, Event("x", 1), Event("y", 1))
SUFFICIENT = Counterfactual.probability(CASE1, Event("x", 0), Event("y", 0))


def population(seed: int, *, monotone: bool = False) -> np.ndarray:
    """Shares by treatment, Y(0) and Y(1)."""
    shares = np.random.default_rng(seed).dirichlet(np.full(8, 0.7)).reshape(2, 2, 2)
    if monotone:
        shares[:, 1, 0] = 0.0
        shares /= shares.sum()
    return shares


def seen(shares: np.ndarray) -> tuple[tuple[tuple[float, float], tuple[float, float]], tuple[float, float]]:
    """P(t, y), and the cases of an experiment without and with treatment."""
    joint = (
        (float(shares[0, 0].sum()), float(shares[0, 1].sum())),
        (float(shares[1, :, 0].sum()), float(shares[1, :, 1].sum())),
    )
    return joint, (float(shares[:, 1].sum()), float(shares[:, :, 1].sum()))


def program(
    query: Counterfactual,
    joint: Sequence[Sequence[float]],
    experiment: tuple[float, float] | None,
    *,
    monotone: bool = False,
) -> tuple[float, float]:
    knowing = [] if experiment is None else [(Counterfactual.probability(CASE0), experiment[0])]
    knowing += [] if experiment is None else [(Counterfactual.probability(CASE1), experiment[1])]
    knowing += [(HARM, 0.0)] if monotone else []
    found = graph_bounds(BOW, query, Factor.table(["x", "y"], np.array(joint)), knowing=knowing)
    return found.lower, found.upper


def test_the_drug_and_the_lawsuit_as_published() -> None:
    """Tian and Pearl 2000, section 5. Of 1000 each, 16 with the drug and 14 without died in the experiment; outside of
    it, 2 who chose the drug and 28 who avoided it."""
    found = probabilities_of_causation(((0.486, 0.014), (0.499, 0.001)), (0.014, 0.016))
    assert (found.pn.lower, found.pn.upper) == pytest.approx((1.0, 1.0), abs=1e-9)
    assert (found.pns.lower, found.pns.upper) == pytest.approx((0.002, 0.016), abs=1e-9)
    assert (found.ps.lower, found.ps.upper) == pytest.approx((0.002, 0.031), abs=5e-4)
    assert found.sources == ("observed", "experiment")


def test_a_randomised_treatment_with_thirty_and_fifty_percent() -> None:
    """Fréchet: P(Y(1) = 1 | T = 0, Y = 0) between .2/.7 and .5/.7."""
    found = probabilities_of_causation(experiment=(0.3, 0.5), exogenous=True)
    assert (found.ps.lower, found.ps.upper) == pytest.approx((2 / 7, 5 / 7), abs=1e-8)
    assert (found.pn.lower, found.pn.upper) == pytest.approx((0.4, 1.0), abs=1e-8)
    monotone = probabilities_of_causation(experiment=(0.3, 0.5), exogenous=True, monotone=True)
    assert (monotone.pns.lower, monotone.pn.lower, monotone.ps.lower) == pytest.approx((0.2, 0.4, 2 / 7))
    assert monotone.pns.is_point
    assert monotone.pn.is_point
    assert monotone.ps.is_point


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.booleans(), st.booleans())
def test_formulas_are_the_linear_programs(seed: int, with_experiment: bool, monotone: bool) -> None:
    shares = population(seed, monotone=monotone)
    joint, experiment = seen(shares)
    known = experiment if with_experiment else None
    found = probabilities_of_causation(joint, known, monotone=monotone)
    for interval, query, whole in (
        (found.pns, PNS, 1.0),
        (found.pn, NECESSARY, joint[1][1]),
        (found.ps, SUFFICIENT, joint[0][0]),
    ):
        low, high = program(query, joint, known, monotone=monotone)
        assert interval.lower == pytest.approx(low / whole, abs=1e-5 / whole)
        assert interval.upper == pytest.approx(high / whole, abs=1e-5 / whole)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.booleans())
def test_the_truth_is_inside_and_is_the_value_where_the_treatment_prevents_nothing(seed: int, monotone: bool) -> None:
    shares = population(seed, monotone=monotone)
    joint, experiment = seen(shares)
    truth = (
        shares[:, 0, 1].sum(),
        shares[1, 0, 1] / shares[1, :, 1].sum(),
        shares[0, 0, 1] / shares[0, 0].sum(),
    )
    found = probabilities_of_causation(joint, experiment, monotone=monotone)
    for interval, value in zip((found.pns, found.pn, found.ps), truth, strict=True):
        assert interval.lower - 1e-9 <= value <= interval.upper + 1e-9
        assert interval.is_point or not monotone


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31))
def test_exogeneity_makes_an_experiment_of_what_was_observed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds, treated = rng.dirichlet(np.ones(4)).reshape(2, 2), rng.uniform(0.1, 0.9)
    joint, experiment = seen(np.stack([(1 - treated) * kinds, treated * kinds]))
    found = probabilities_of_causation(joint, exogenous=True)
    again = probabilities_of_causation(experiment=experiment, exogenous=True)
    for mine, other in ((found.pns, again.pns), (found.pn, again.pn), (found.ps, again.ps)):
        assert (mine.lower, mine.upper) == pytest.approx((other.lower, other.upper), abs=1e-9)
    for mine, query, whole in ((found.pns, PNS, 1.0), (found.pn, NECESSARY, joint[1][1])):
        # Independence of treatment and kinds of units is not linear, but does not narrow what the experiment leaves.
        low, high = program(query, joint, experiment)
        assert mine.lower == pytest.approx(low / whole, abs=1e-5 / whole)
        assert mine.upper == pytest.approx(high / whole, abs=1e-5 / whole)


def test_an_experiment_alone_says_nothing_of_those_who_choose() -> None:
    found = probabilities_of_causation(experiment=(0.3, 0.5))
    assert (found.pns.lower, found.pns.upper) == pytest.approx((0.2, 0.5))
    assert (found.pn.lower, found.pn.upper, found.ps.lower, found.ps.upper) == (0.0, 1.0, 0.0, 1.0)


def test_a_probability_about_nobody_has_no_value() -> None:
    found = probabilities_of_causation(((0.5, 0.1), (0.4, 0.0)))
    assert math.isnan(found.pn.lower)
    assert math.isnan(found.pn.upper)
    assert math.isnan(probabilities_of_causation(experiment=(0.0, 0.0), exogenous=True).pn.lower)
    assert math.isnan(probabilities_of_causation(((0.5, 0.1), (0.4, 0.0)), (0.2, 0.3)).pn.lower)


def test_results_survive_json() -> None:
    found = probabilities_of_causation(experiment=(0.3, 0.5))
    assert from_json(to_json(found)) == found


@pytest.mark.parametrize(
    ("observed", "experiment", "message"),
    [
        (None, None, "neither observed nor experimental"),
        (((0.5, 0.5), (0.5, 0.5)), None, "sum to 2"),
        (((0.5, 0.5),), None, "need to be probabilities"),
        (((0.5, 0.5), (0.0,)), None, "need to be probabilities"),
        (((0.5, math.nan), (0.25, 0.25)), None, "need to be probabilities"),
        (None, (0.3, 1.5), "need to be probabilities"),
        (None, (0.3, -0.5), "need to be probabilities"),
        (None, (0.3, 0.5, 0.2), "need to be probabilities"),
    ],
)
def test_numbers_that_are_no_probabilities(observed: object, experiment: object, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message):
        probabilities_of_causation(observed, experiment)  # type: ignore[arg-type]


def test_data_that_contradict_each_other_or_the_assumptions() -> None:
    joint = ((0.4, 0.1), (0.2, 0.3))
    with pytest.raises(
        NumericalFailure, match=r"0\.05 cases under treatment 0, the observed shares allow 0\.1 to 0\.6"
    ):
        probabilities_of_causation(joint, (0.05, 0.5))
    with pytest.raises(NumericalFailure, match=r"lowers a share of cases by 0\.2"):
        probabilities_of_causation(experiment=(0.5, 0.3), monotone=True)
    with pytest.raises(NumericalFailure, match=r"lowers a share of cases by 0\.1"):
        probabilities_of_causation(joint, (0.5, 0.6), monotone=True)  # P(Y=1) is .4
    with pytest.raises(InvalidSetting, match="exogenous"):
        probabilities_of_causation(joint, (0.2, 0.5), exogenous=True)
    with pytest.raises(NumericalFailure, match="Nobody has treatment 1"):
        probabilities_of_causation(((0.6, 0.4), (0.0, 0.0)), exogenous=True)
